// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/pack_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "packing/lengths.h"
#include "packing/workload.h"
#include "serving/padded_rows.h"
#include "support/file_names.h"
#include "support/human.h"
#include "tools/files/request_files.h"

namespace tessera::tools {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kDraw = 8000;

// Adds the lengths of requests in one folder: of each row of a padded batch, or of the only one.
Status add_lengths(const std::string& folder, const LengthFlags& flags,
                   std::vector<int64_t>& lengths) {
  const std::vector<std::string> names = {flags.ids, flags.mask};
  const TensorFiles files(names);
  const std::string path = TRY(find_tensor_file(folder, files, flags.ids));
  Request arrays;
  TRY(read_tokens(path, flags.ids, arrays));
  const Shape& shape = arrays.shapes[flags.ids];
  const std::optional<BatchSize> batch = padded_batch(flags.ids, arrays);
  if (!batch) {
    if (shape.size() > 2 || elements(shape) < 1)
      return Error{fmt::format("{}: is {}, must be [length], or [rows,length] of a padded batch",
                               path, to_string(shape))};
    lengths.push_back(elements(shape));
    return {};
  }
  if (const auto mask = find_tensor_file(folder, files, flags.mask); mask.ok())
    TRY(read_tokens(*mask, flags.mask, arrays));
  for (const Request& row : TRY(split_rows(arrays, flags.ids))) {
    const Request own = TRY(without_padding(row, flags.ids, flags.mask, 1));
    lengths.push_back(std::ssize(own.tokens.at(flags.ids)));
    if (lengths.back() < 1) return Error{path + ": a row has no tokens, must have at least one"};
  }
  return {};
}

Expected<std::vector<int64_t>> folder_lengths(const std::string& folder, const LengthFlags& flags) {
  std::vector<int64_t> lengths;
  for (const std::string& name : TRY(request_folders(folder)))
    TRY(add_lengths(answer_folder(folder, name), flags, lengths));
  return lengths;
}

Expected<LengthSource> random_source(const LengthFlags& flags) {
  WorkloadOptions options;
  options.count = flags.random;
  options.seed = flags.seed;
  options.average = flags.average;
  options.longest = flags.longest;
  if (options.count < 1)
    return Error{fmt::format("--random: {}, must be at least 1", options.count), ErrorKind::Usage};
  return LengthSource{fmt::format("{} drawn from a normal distribution (mean {}, seed {})",
                                  human_count(options.count), options.average, options.seed),
                      TRY(synthetic_lengths(options)),
                      {}};
}

Expected<LengthSource> histogram_source(const LengthFlags& flags, const std::string& path) {
  LengthHistogram histogram = TRY(read_histogram_csv(path));
  if (flags.draw < 0 || flags.draw > kMostRequests)
    return Error{fmt::format("--draw: {}, must be in 0..{}", flags.draw, kMostRequests),
                 ErrorKind::Usage};
  LengthSource source;
  source.lengths = draw_lengths(histogram, flags.draw ? flags.draw : kDraw, flags.seed);
  source.what = fmt::format("{} drawn from {} (seed {})", human_count(std::ssize(source.lengths)),
                            path, flags.seed);
  if (!flags.draw) source.histogram = std::move(histogram);
  return source;
}

}  // namespace

po::options_description length_flags() {
  po::options_description flags("Lengths");
  flags.add_options()(
      "draw", po::value<int64_t>()->default_value(0),
      "of a histogram (.csv): the number of requests to draw from it; 0: 8,000, but "
      "all of it by spfhp and lpfhp")("random", po::value<int64_t>()->default_value(0),
                                      "in place of a file, the number of lengths to draw from a "
                                      "normal distribution, as bench does")(
      "avg_seq_len", po::value<double>()->default_value(128), "of --random: mean and deviation")(
      "max_seq_len", po::value<int64_t>()->default_value(256), "of --random: the longest")(
      "seed", po::value<uint32_t>()->default_value(2023), "of --draw and --random")(
      "ids", po::value<std::string>()->default_value("input_ids"),
      "of a folder of requests: the input that is as long as the request")(
      "mask", po::value<std::string>()->default_value("attention_mask"),
      "of padded batches in such a folder: the input that is 1 where a token is there");
  return flags;
}

LengthFlags length_flags_of(const po::variables_map& flags) {
  return {.draw = flags["draw"].as<int64_t>(),
          .random = flags["random"].as<int64_t>(),
          .average = flags["avg_seq_len"].as<double>(),
          .longest = flags["max_seq_len"].as<int64_t>(),
          .seed = flags["seed"].as<uint32_t>(),
          .ids = flags["ids"].as<std::string>(),
          .mask = flags["mask"].as<std::string>()};
}

Expected<LengthSource> length_source(const LengthFlags& flags, const std::string& path,
                                     const char* verb) {
  if ((flags.random != 0) != path.empty())
    return Error{fmt::format("{}: must be given either lengths (.npy, .jsonl, .csv or a folder of "
                             "requests) or --random COUNT",
                             verb),
                 ErrorKind::Usage};
  if (flags.random != 0) return random_source(flags);
  if (path.ends_with(".csv")) return histogram_source(flags, path);
  std::error_code ignored;
  std::vector<int64_t> lengths =
      fs::is_directory(path, ignored) ? TRY(folder_lengths(path, flags)) : TRY(read_lengths(path));
  std::string what = fmt::format("{} of {}", human_count(std::ssize(lengths)), path);
  return LengthSource{std::move(what), std::move(lengths), {}};
}

po::options_description rule_flags(const char* default_policy, const std::string& policies) {
  const PackRule defaults;
  po::options_description flags("Choosing requests");
  flags.add_options()("policy", po::value<std::string>()->default_value(default_policy),
                      policies.c_str())("window",
                                        po::value<int64_t>()->default_value(defaults.window),
                                        "of policy window: requests that a batch may pass over")(
      "pinned", po::value<int64_t>()->default_value(defaults.pinned),
      "of policy window: the number of oldest requests that go before all others; 0: 1 where all "
      "are "
      "known, 12 where they come one by one")(
      "depth", po::value<int64_t>()->default_value(defaults.depth),
      "of spfhp and lpfhp: most requests in a row; 0: as many as fit");
  return flags;
}

Expected<PackRule> pack_rule(const po::variables_map& flags) {
  auto policy = parse_policy(flags["policy"].as<std::string>());
  if (!policy) return Error{"--policy: " + policy.error().message, ErrorKind::Usage};
  PackRule rule(*policy);
  rule.window = flags["window"].as<int64_t>();
  rule.pinned = flags["pinned"].as<int64_t>();
  rule.depth = flags["depth"].as<int64_t>();
  if (const Status status = check_rule(rule); !status)
    return Error{"--" + status.error().message, ErrorKind::Usage};
  return rule;
}

}  // namespace tessera::tools
