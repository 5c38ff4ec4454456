// SPDX-License-Identifier: Apache-2.0
#include "tools/requests.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "packing/offline.h"
#include "packing/plan.h"
#include "serving/batch_runner.h"
#include "tools/pack_flags.h"
#include "tools/print.h"
#include "tools/progress.h"
#include "tools/tensors.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

Status read_tokens(const std::string& path, const std::string& name, Request& request) {
  constexpr int64_t kMostBytes = int64_t{64} << 20;  // of one request: no row has as many tokens
  NpyArray array = widened(TRY(read_npy(path, kMostBytes)));
  if (array.descr == "|b1") array.descr = "|u1", array = widened(std::move(array));
  if (array.shape.empty() || (array.descr != "<i4" && array.descr != "<i8"))
    return Error{fmt::format("{}: is {} {}, must be whole numbers or bool, with an axis of tokens",
                             path, array.descr, to_string(array.shape))};
  request.shapes[name] = array.shape;
  std::vector<int32_t>& tokens = request.tokens[name];
  tokens.resize(static_cast<size_t>(elements(array.shape)));
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (array.descr == "<i4") {
      std::memcpy(&tokens[i], array.bytes.data() + i * 4, 4);
      continue;
    }
    int64_t wide;
    std::memcpy(&wide, array.bytes.data() + i * 8, 8);
    if (wide != static_cast<int32_t>(wide))
      return Error{fmt::format("{}: value {} at [{}], must fit int32", path, wide, i)};
    tokens[i] = static_cast<int32_t>(wide);
  }
  return {};
}

Expected<Request> read_request(const std::string& folder) {
  Request request;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == ".npy")
      TRY(read_tokens(entry.path(), entry.path().filename(), request));
  if (error) return Error{folder + ": " + error.message()};
  return request;
}

std::map<std::string, NpyArray> answer_arrays(const Answer& answer, const Metadata& metadata) {
  std::map<std::string, NpyArray> arrays;
  for (const Anchor& anchor : metadata.anchors) {
    const auto found = answer.outputs.find(anchor.name);
    if (anchor.kind != AnchorKind::Output || found == answer.outputs.end()) continue;
    // A request has items of the anchor's trailing dimensions: one a token, or one in all.
    Shape shape(anchor.shape.begin() + std::min<ptrdiff_t>(2, std::ssize(anchor.shape)),
                anchor.shape.end());
    const int64_t item = elements(shape) * size_of(anchor.dtype);
    shape.insert(shape.begin(), static_cast<int64_t>(found->second.size()) / item);
    arrays[anchor.name] = {npy_descr(anchor.dtype), shape, found->second};
  }
  return arrays;
}

// Requests that are sound, and the names of their folders.
struct Sound {
  std::vector<std::string> names;
  std::vector<Request> requests;
  std::vector<int64_t> lengths;
};

// Tokens come by the names of their files, and are here by the inputs' that these stand for.
Expected<Request> by_input(Request request, const TensorFiles& files) {
  Request named;
  for (auto& [file, tokens] : request.tokens) {
    const std::string name = files.name_of(file);
    if (!named.tokens.emplace(name, std::move(tokens)).second)
      return Error{"'" + name + "': is there in two spellings, must be in one"};
    named.shapes[name] = request.shapes.at(file);
  }
  return named;
}

Sound sound_of(const BatchRunner& runner, std::vector<NamedRequest> requests,
               const TensorFiles& files) {
  Sound sound;
  for (auto& [name, read] : requests) {
    auto request = read ? by_input(read.take(), files) : std::move(read);
    const auto length = request ? runner.check(*request) : Expected<int64_t>(request.error());
    if (!length) {
      print_error("tessera: request '{}': {}\n", name, length.error().message);
      continue;
    }
    sound.names.push_back(name);
    sound.requests.push_back(request.take());
    sound.lengths.push_back(*length);
  }
  return sound;
}

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

Expected<std::vector<NamedRequest>> read_requests(const std::string& folder) {
  std::vector<NamedRequest> requests;
  for (const std::string& name : TRY(request_folders(folder)))
    requests.push_back({name, read_request(folder + "/" + name)});
  return requests;
}

Status run_requests(ModelRunner& runner, std::vector<NamedRequest> requests,
                    const std::string& outputs, const RequestPacking& packing,
                    const WriteOutputs& write) {
  const Metadata& metadata = runner.executable().metadata;
  const TensorFiles files = output_files(metadata);
  const size_t given = requests.size();
  const std::unique_ptr<BatchRunner> batch_runner = TRY(BatchRunner::create(runner));
  const double start = now_seconds();
  const Sound sound = sound_of(*batch_runner, std::move(requests), input_files(metadata));
  const PackingContract& contract = batch_runner->contract();
  size_t refused = given - sound.names.size();
  if (refused && packing.plan)
    return Error{fmt::format("run: {} of {} requests were refused, and the plan needs them all",
                             refused, given)};
  const std::vector<PackedBatch> batches =
      packing.plan ? TRY(planned(packing.plan_path, *packing.plan, contract, sound.lengths))
                   : TRY(pack_offline(contract, packing.rule, sound.lengths));
  Progress progress("run");
  std::vector<const Request*> pointers;
  for (const Request& request : sound.requests) pointers.push_back(&request);
  for (size_t number = 0; number < batches.size(); ++number) {
    progress.step("batches", static_cast<int64_t>(number), std::ssize(batches));
    const std::vector<Answer> answers = TRY(batch_runner->run(batches[number], pointers, number));
    for (size_t i = 0; i < answers.size(); ++i) {
      const std::string& name = sound.names[batches[number].placements[i].request];
      if (answers[i].refused) {
        print_error("tessera: request '{}': {}\n", name, answers[i].refused->message);
        ++refused;
        continue;
      }
      for (const NotFinite& found : answers[i].not_finite)
        print_error("tessera: warning: request '{}': {}\n", name, to_string(found));
      if (!outputs.empty())
        TRY(write(by_file(answer_arrays(answers[i], metadata), files), outputs + "/" + name));
    }
  }
  const double host = now_seconds() - start;
  const double modelled = static_cast<double>(batches.size()) * metadata.cycles.seconds_per_batch;
  if (packing.json)
    print_json(
        nlohmann::ordered_json{
            {"requests",         given          },
            {"answered",         given - refused},
            {"batches",          batches.size() },
            {"host_seconds",     host           },
            {"modelled_seconds", modelled       },
            {"outputs",          outputs        }
    },
        2);
  else
    print("answered {} of {} requests in {} batches, {} on the host; modelled {} on the IPU\n",
          given - refused, given, batches.size(), human_seconds(host), human_seconds(modelled));
  if (refused) return Error{fmt::format("run: {} of {} requests were refused", refused, given)};
  return {};
}

}  // namespace tessera::tools
