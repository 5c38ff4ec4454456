// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "packing/offline.h"
#include "packing/pack.h"
#include "packing/plan.h"
#include "serving/batch_runner.h"
#include "serving/padded_rows.h"
#include "support/clock.h"
#include "support/human.h"
#include "tools/files/array_stores.h"
#include "tools/files/request_files.h"
#include "tools/files/tensors.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/pack_flags.h"

namespace tessera::tools {
namespace fs = std::filesystem;

namespace {

Expected<Request> read_request(const std::string& folder) {
  Request request;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy")
      TRY(read_tokens(entry.path(), entry.path().filename(), request));
  if (error) return Error{folder + ": " + error.message()};
  return request;
}

// Entries "REQUEST/NAME.npy".
Expected<std::vector<NamedRequest>> archived_requests(const std::string& path, NpzArrays arrays) {
  std::map<std::string, Expected<Request>> requests;
  for (auto& [entry, array] : arrays) {
    const size_t slash = entry.find('/');
    if (slash == 0 || slash == std::string::npos || entry.find('/', slash + 1) != std::string::npos)
      return Error{fmt::format("{}: holds '{}', must hold REQUEST/NAME.npy", path, entry)};
    auto& request = requests.emplace(entry.substr(0, slash), Request()).first->second;
    if (!request) continue;  // what is wrong with it is known
    const Status added =
        add_tokens(std::move(array), path + "/" + entry, entry.substr(slash + 1), *request);
    if (!added) request = added.error();
  }
  if (requests.empty()) return Error{path + ": is empty, must hold REQUEST/NAME.npy"};
  std::vector<NamedRequest> named;
  for (auto& [name, request] : requests) named.push_back({name, std::move(request)});
  return named;
}

std::map<std::string, NpyArray> answer_arrays(const Answer& answer, const Metadata& metadata,
                                              const PackingContract& contract) {
  std::map<std::string, NpyArray> arrays;
  for (const Anchor& anchor : metadata.anchors) {
    const auto found = answer.outputs.find(anchor.name);
    if (anchor.kind != AnchorKind::Output || found == answer.outputs.end()) continue;
    arrays[anchor.name] = {npy_descr(anchor.dtype),
                           answer_shape(contract, anchor, found->second.size()), found->second};
  }
  return arrays;
}

// The requests of one folder.
struct RequestFolder {
  std::string name;
  std::optional<BatchSize> batch;  // nothing: it is one request
  size_t first = 0, count = 0;     // of the requests that run
  std::vector<Answer> answers = {};
  size_t answered = 0;
  bool is_refused = false;
};

// The requests of all folders that are sound: they can run.
struct Sound {
  std::vector<RequestFolder> calls;
  std::vector<Request> requests;
  std::vector<int64_t> lengths;
  std::vector<size_t> calls_of;  // by request
  size_t given = 0, refused = 0;
};

void report_refused(const std::string& name, const std::string& message) {
  if (name.empty())
    print_error("tessera: {}\n", message);
  else
    print_error("tessera: request '{}': {}\n", name, message);
}

std::string row_message(const RequestFolder& call, size_t row, const Error& error) {
  return call.batch ? fmt::format("row {}: {}", row, error.message) : error.message;
}

// The requests of one folder, if all are sound; else what is wrong with each is reported.
void add_call(const BatchRunner& runner, RequestFolder call, std::vector<Request> rows,
              Sound& sound) {
  std::vector<int64_t> lengths;
  for (size_t row = 0; row < rows.size(); ++row) {
    const Expected<int64_t> length = runner.check(rows[row]);
    if (!length) report_refused(call.name, row_message(call, row, length.error()));
    if (length) lengths.push_back(*length);
  }
  sound.given += rows.size();
  if (lengths.size() < rows.size()) {
    sound.refused += rows.size();
    return;
  }
  call.first = sound.requests.size();
  call.count = rows.size();
  call.answers.resize(rows.size());
  sound.requests.insert(sound.requests.end(), std::make_move_iterator(rows.begin()),
                        std::make_move_iterator(rows.end()));
  sound.lengths.insert(sound.lengths.end(), lengths.begin(), lengths.end());
  sound.calls_of.resize(sound.requests.size(), sound.calls.size());
  sound.calls.push_back(std::move(call));
}

Expected<std::vector<Request>> rows_of(Request request, const std::string& ids) {
  if (padded_batch(ids, request)) return split_rows(request, ids);
  std::vector<Request> one;
  one.push_back(std::move(request));
  return one;
}

Sound sound_of(const BatchRunner& runner, std::vector<NamedRequest> requests,
               const Metadata& metadata) {
  const TensorFiles files = input_files(metadata);
  const std::string& ids = runner.contract().ids_input;
  Sound sound;
  for (auto& [name, read] : requests) {
    auto request = read ? by_input(read.take(), files) : std::move(read);
    std::optional<BatchSize> batch;
    if (request) batch = padded_batch(ids, *request);
    auto rows =
        request ? rows_of(request.take(), ids) : Expected<std::vector<Request>>(request.error());
    if (rows) {
      add_call(runner, {name, batch}, rows.take(), sound);
      continue;
    }
    report_refused(name, rows.error().message);
    ++sound.given;
    ++sound.refused;
  }
  return sound;
}

std::map<std::string, NpyArray> joined_arrays(const RequestFolder& call,
                                              const PackingContract& contract,
                                              const Metadata& metadata) {
  std::map<std::string, NpyArray> arrays;
  for (const Anchor& anchor : metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    BatchOutput joined =
        join_rows(output_of_request(contract, anchor), anchor, call.batch->width, call.answers);
    arrays[anchor.name] = {npy_descr(anchor.dtype), joined.shape, std::move(joined.bytes)};
  }
  return arrays;
}

// Takes answers as they come, and writes those of a folder when it has them all.
class AnswerFolders {
 public:
  AnswerFolders(Sound& sound, const PackingContract& contract, const Metadata& metadata,
                std::string outputs, const WriteOutputs& write)
      : sound_(sound),
        contract_(contract),
        metadata_(metadata),
        files_(output_files(metadata)),
        outputs_(std::move(outputs)),
        write_(write) {}

  Status take(size_t request, Answer answer) {
    RequestFolder& call = sound_.calls[sound_.calls_of[request]];
    const size_t row = request - call.first;
    if (answer.refused) {
      report_refused(call.name, row_message(call, row, *answer.refused));
      if (!std::exchange(call.is_refused, true)) sound_.refused += call.count;
    }
    for (const NotFinite& found : answer.not_finite)
      print_error("tessera: warning: {}{}\n", place(call, row), to_string(found));
    call.answers[row] = std::move(answer);
    if (++call.answered < call.count) return {};
    if (!call.is_refused && !outputs_.empty())
      TRY(write_(by_file(call.batch ? joined_arrays(call, contract_, metadata_)
                                    : answer_arrays(call.answers[0], metadata_, contract_),
                         files_),
                 answer_folder(outputs_, call.name)));
    call.answers.clear();
    return {};
  }

 private:
  static std::string place(const RequestFolder& call, size_t row) {
    std::string text = call.name.empty() ? "" : "request '" + call.name + "': ";
    if (call.batch) text += fmt::format("row {}: ", row);
    return text;
  }

  Sound& sound_;
  const PackingContract& contract_;
  const Metadata& metadata_;
  TensorFiles files_;
  std::string outputs_;
  const WriteOutputs& write_;
};

// A plan's batches, once it is shown to be one for these requests and this executable.
Expected<std::vector<PackedBatch>> planned(const std::string& path, PackPlan plan,
                                           const PackingContract& contract,
                                           std::span<const int64_t> lengths) {
  const auto must_be = [&](const char* what, int64_t is, int64_t must) {
    return Error{fmt::format("{}: {} {}, must be {} as in this run", path, is, what, must)};
  };
  if (plan.contract.form != contract.form)
    return Error{path + ": must be made for the packing form of the executable"};
  if (plan.contract.rows != contract.rows)
    return must_be("rows", plan.contract.rows, contract.rows);
  if (plan.contract.row_length != contract.row_length)
    return must_be("tokens a row", plan.contract.row_length, contract.row_length);
  if (plan.requests != std::ssize(lengths))
    return must_be("requests", plan.requests, std::ssize(lengths));
  for (const PackedBatch& batch : plan.batches)
    for (const Placement& place : batch.placements)
      if (place.length != lengths[place.request])
        return Error{fmt::format("{}: request {} has {} tokens, must have {} as in this run", path,
                                 place.request, place.length, lengths[place.request])};
  plan.contract = contract;  // whose limits may be others
  if (const Status status = check_plan(plan); !status)
    return Error{path + ": " + status.error().message};
  return std::move(plan.batches);
}

}  // namespace

Expected<std::vector<NamedRequest>> read_requests(const std::string& path, const Limits& limits) {
  if (is_archive(path)) return archived_requests(path, TRY(read_archive(path, limits)));
  std::vector<NamedRequest> requests;
  for (const std::string& name : TRY(request_folders(path)))
    requests.push_back({name, read_request(answer_folder(path, name))});
  return requests;
}

Status run_requests(ModelRunner& runner, std::vector<NamedRequest> requests,
                    const std::string& outputs, const RequestPacking& packing,
                    const WriteOutputs& write) {
  const Metadata& metadata = runner.executable().metadata;
  const std::unique_ptr<BatchRunner> batch_runner = TRY(BatchRunner::create(runner));
  const double start = now_seconds();
  Sound sound = sound_of(*batch_runner, std::move(requests), metadata);
  const PackingContract& contract = batch_runner->contract();
  if (sound.refused && packing.plan)
    return Error{fmt::format("run: {} of {} requests were refused, and the plan needs them all",
                             sound.refused, sound.given)};
  const std::vector<PackedBatch> batches =
      packing.plan ? TRY(planned(packing.plan_path, *packing.plan, contract, sound.lengths))
                   : TRY(pack_offline(contract, packing.rule, sound.lengths));
  Progress progress("run");
  std::vector<const Request*> pointers;
  for (const Request& request : sound.requests) pointers.push_back(&request);
  AnswerFolders folders(sound, contract, metadata, outputs, write);
  for (size_t number = 0; number < batches.size(); ++number) {
    progress.step("batches", static_cast<int64_t>(number), std::ssize(batches));
    std::vector<Answer> answers = TRY(batch_runner->run(batches[number], pointers, number));
    for (size_t i = 0; i < answers.size(); ++i)
      TRY(folders.take(batches[number].placements[i].request, std::move(answers[i])));
  }
  const double host = now_seconds() - start;
  const double modelled = static_cast<double>(batches.size()) * metadata.cycles.seconds_per_batch;
  const size_t given = sound.given, refused = sound.refused;
  if (packing.json)
    print_json(
        nlohmann::ordered_json{
            {"schema",           "tessera-run-requests/1"},
            {"requests",         given                   },
            {"answered",         given - refused         },
            {"batches",          batches.size()          },
            {"host_seconds",     host                    },
            {"modelled_seconds", modelled                },
            {"outputs",          outputs                 }
    },
        2);
  else
    tell(fmt::format("answered {} of {} requests in {} batches, {} on the host; modelled {} on the "
                     "IPU",
                     given - refused, given, batches.size(), human_seconds(host),
                     human_seconds(modelled)),
         packing.on_stderr);
  if (refused) return Error{fmt::format("run: {} of {} requests were refused", refused, given)};
  return {};
}

}  // namespace tessera::tools
