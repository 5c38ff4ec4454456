// SPDX-License-Identifier: Apache-2.0
// tessera requests: what an executable can be tried with, request by request or in whole batches.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>

#include "codelets/rules.h"
#include "executor/batch_arrays.h"
#include "packing/offline.h"
#include "packing/pack.h"
#include "program/read_popef.h"
#include "serving/request_contract.h"
#include "support/human.h"
#include "tools/files/request_arrays.h"
#include "tools/files/tensors.h"
#include "tools/flags/flags.h"
#include "tools/flags/stranger_flags.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"
#include "tools/verbs/pack_flags.h"
#include "tools/verbs/verb.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

using Words = std::vector<std::string>;

constexpr int64_t kUsual = 64;  // requests, where nothing says how many

po::options_description requests_flags() {
  po::options_description files("Files");
  files.add_options()("words", po::value<Words>(),
                      "the executable, and where lengths come from: .npy, .jsonl, .csv (a "
                      "histogram) or a folder of requests; without it they are drawn")(
      "output,o", po::value<std::string>(), "folder to write, new or empty: a folder per request")(
      "batch", po::bool_switch(),
      "write one NAME.npy per input of a whole batch in place of requests, or a folder N for batch "
      "N if there are several")("json", po::bool_switch(), "print what was made as JSON");
  po::options_description lengths("Lengths");
  lengths.add_options()(
      "random", po::value<int64_t>()->default_value(0),
      "the number of lengths to draw from a normal distribution; 0 without other lengths: 64, "
      "with --batch one batch of them")("avg_seq_len", po::value<double>()->default_value(0),
                                        "of --random: mean and deviation; 0: half of the longest")(
      "max_seq_len", po::value<int64_t>()->default_value(0),
      "of --random: the longest; 0: the longest that the executable takes")(
      "draw", po::value<int64_t>()->default_value(kUsual),
      "of a histogram (.csv): the number of requests to draw from it")(
      "seed", po::value<uint32_t>()->default_value(2023), "of all that is drawn")(
      "ids", po::value<std::string>()->default_value("input_ids"),
      "of a folder of requests: the input that is as long as the request")(
      "mask", po::value<std::string>()->default_value("attention_mask"),
      "of padded batches in such a folder: the input that is 1 where a token is there")(
      "vocab", po::value<int64_t>()->default_value(0),
      "token ids are below this; 0: as many as the executable has");
  po::options_description all;
  all.add(files).add(lengths).add(signature_flags()).add(limit_flags());
  return all;
}

Expected<Metadata> metadata_of(const po::variables_map& flags, const std::string& path) {
  if (path.ends_with(".onnx"))
    return Error{path + ": is a model, must be an executable: 'tessera compile' makes one",
                 ErrorKind::Usage};
  const Limits limits = TRY(limits_of(flags));
  const PopefFile file = TRY(open_popef(path, TRY(required_key(flags)), limits));
  Executable executable = TRY(read_popef(file, check_compute_set, limits));
  return std::move(executable.metadata);
}

// The report of what was made, on standard output.
struct MadeRequests {
  std::string folder;
  size_t requests = 0, batches = 0;  // batches: 0 where requests have folders of their own
  std::vector<int64_t> lengths;
  std::string what;  // where the lengths are from
};

Status tell_made(const MadeRequests& made, bool as_json) {
  const auto tokens = std::accumulate(made.lengths.begin(), made.lengths.end(), int64_t{0});
  if (as_json) {
    print_json(
        nlohmann::ordered_json{
            {"schema",   "tessera-requests/1"},
            {"folder",   made.folder         },
            {"requests", made.requests       },
            {"batches",  made.batches        },
            {"tokens",   tokens              },
            {"lengths",  made.what           }
    },
        2);
  } else if (made.lengths.empty()) {
    print("{}: 1 batch of random inputs\n", made.folder);
  } else if (made.batches > 0) {
    print("{}: {} requests in {} batch{}; lengths: {}\n", made.folder, made.requests, made.batches,
          made.batches == 1 ? "" : "es", made.what);
  } else {
    const auto [least, most] = std::ranges::minmax(made.lengths);
    print("{}: {} requests of {} to {} tokens, {} in all; lengths: {}\n", made.folder,
          made.requests, least, most, human_count(tokens), made.what);
  }
  return {};
}

// The folder must be new or empty, so that new files do not mix with old ones.
Status check_output(const std::string& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) return {};
  if (!fs::is_directory(status)) return Error{folder + ": is a file, must be a folder"};
  if (fs::is_empty(folder, error) && !error) return {};
  return Error{folder + ": holds files already, must be a new or empty folder"};
}

// The flags, with what the executable says where they say nothing.
LengthFlags lengths_wanted(const po::variables_map& flags, const PackingContract& contract,
                           bool drawn) {
  LengthFlags wanted = length_flags_of(flags);
  if (!drawn) return wanted;
  if (wanted.longest == 0) wanted.longest = longest_request(contract);
  const int64_t half = (wanted.longest + 1) / 2;
  if (wanted.average == 0) wanted.average = static_cast<double>(half);
  if (wanted.random == 0)
    wanted.random =
        flags["batch"].as<bool>() ? std::min<int64_t>(most_requests(contract), 4096) : kUsual;
  return wanted;
}

Status check_lengths(const PackingContract& contract, std::span<const int64_t> lengths) {
  const int64_t longest = longest_request(contract);
  const int64_t least = contract.request_size == RequestSize::Tokens ? 1 : longest;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] >= least && lengths[i] <= longest) continue;
    const std::string must = least == longest ? fmt::format("{} (its requests fill a row)", longest)
                                              : fmt::format("in 1..{}", longest);
    return Error{fmt::format("requests: length {} is {}, must be {} for this executable", i,
                             lengths[i], must)};
  }
  return {};
}

struct Made {
  std::string what;
  std::vector<int64_t> lengths;
  Workload requests;
};

Expected<Made> make(const po::variables_map& flags, const Metadata& metadata,
                    const PackingContract& contract, const std::string& path) {
  const LengthFlags wanted = lengths_wanted(flags, contract, path.empty());
  LengthSource source = TRY(length_source(wanted, path, "requests"));
  const bool whole_rows = contract.request_size != RequestSize::Tokens;
  if (path.empty() && whole_rows) std::ranges::fill(source.lengths, longest_request(contract));
  TRY(check_lengths(contract, source.lengths));
  const int32_t below = TRY(vocabulary_of(flags["vocab"].as<int64_t>(), &metadata, contract));
  Made made{std::move(source.what), std::move(source.lengths), {}};
  // Lengths and ids that are drawn by one generator are those of 'tessera bench'.
  made.requests = path.empty() && !whole_rows
                      ? TRY(synthetic_workload(
                            {wanted.seed, wanted.random, wanted.average, wanted.longest, below}))
                      : TRY(workload_of(made.lengths, below, wanted.seed));
  return made;
}

Status write_requests(const Metadata& metadata, const PackingContract& contract, const Made& made,
                      const std::string& folder) {
  const TensorFiles files = input_files(metadata);
  const size_t digits = std::to_string(made.requests.size() - 1).size();
  Progress progress("requests");
  for (size_t i = 0; i < made.requests.size(); ++i) {
    if (i % 256 == 0) progress.step("writing", static_cast<int64_t>(i), std::ssize(made.requests));
    const auto arrays = request_arrays(metadata, contract, made.requests[i]);
    TRY(write_outputs(by_file(arrays, files), fmt::format("{}/{:0{}}", folder, i, digits)));
  }
  return {};
}

Expected<MadeRequests> write_batches(const Metadata& metadata, const PackingContract& contract,
                                     const Made& made, const std::string& folder, bool one) {
  std::vector<PackedBatch> batches =
      TRY(pack_offline(contract, PackPolicy::FirstFit, made.lengths));
  if (one) batches.resize(1);
  const TensorFiles files = input_files(metadata);
  MadeRequests told{folder, 0, batches.size(), {}, made.what};
  for (size_t i = 0; i < batches.size(); ++i) {
    const auto arrays = batch_arrays(metadata, contract, batches[i], made.requests, i);
    TRY(write_outputs(by_file(arrays, files),
                      batches.size() == 1 ? folder : folder + "/" + std::to_string(i)));
    told.requests += batches[i].placements.size();
    for (const Placement& place : batches[i].placements) told.lengths.push_back(place.length);
  }
  return told;
}

Status do_requests(const po::variables_map& flags) {
  const Words words = flags.count("words") ? flags["words"].as<Words>() : Words();
  if (words.empty() || words.size() > 2 || !flags.count("output"))
    return Error{"requests: must be MODEL.popef [LENGTHS] -o FOLDER", ErrorKind::Usage};
  const std::string path = words.size() == 2 ? words[1] : "";
  if (path.ends_with(".txt"))
    return Error{path +
                     ": is text, must be lengths: 'python3 -m tessera requests' makes requests "
                     "of text",
                 ErrorKind::Usage};
  const std::string folder = flags["output"].as<std::string>();
  TRY(check_output(folder));
  const Metadata metadata = TRY(metadata_of(flags, words[0]));
  const bool batch = flags["batch"].as<bool>(), as_json = flags["json"].as<bool>();
  const bool all_drawn = path.empty() && flags["random"].as<int64_t>() == 0;
  const auto contract = request_contract(metadata);
  if (!contract.ok()) {
    if (!batch || !all_drawn) return contract.error();
    TRY(write_outputs(
        by_file(random_inputs(metadata, flags["seed"].as<uint32_t>()), input_files(metadata)),
        folder));
    return tell_made({folder, 0, 1, {}, "random inputs"}, as_json);
  }
  const Made made = TRY(make(flags, metadata, *contract, path));
  if (batch)
    return tell_made(TRY(write_batches(metadata, *contract, made, folder, all_drawn)), as_json);
  TRY(write_requests(metadata, *contract, made, folder));
  return tell_made({folder, made.requests.size(), 0, made.lengths, made.what}, as_json);
}

}  // namespace

Verb requests_verb() {
  return {
      "make requests or batches for an executable, at random or from lengths; of text: python3 "
      "-m tessera requests",
      "MODEL.popef [LENGTHS] -o FOLDER [--batch] [FLAGS]",
      "tessera requests packed.popef -o requests\n"
      "  tessera requests packed.popef lengths.csv --draw 1000 -o requests\n"
      "  tessera requests bert.popef --batch -o batch\n"
      "  python3 -m tessera requests packed.popef texts.txt --tokenizer tokenizer.json -o "
      "requests",
      requests_flags,
      "words",
      do_requests};
}

}  // namespace tessera::tools
