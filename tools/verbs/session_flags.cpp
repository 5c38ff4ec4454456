// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/session_flags.h"

#include <fmt/format.h>

#include <charconv>
#include <sstream>

#include "tools/flags/flags.h"
#include "tools/print/print.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

// "4096", "512M", "16G": bytes.
Expected<int64_t> parse_bytes(const std::string& flag, const std::string& text) {
  constexpr std::string_view kUnits = "KMGT";
  int64_t value = 0;
  const char* last = text.data() + text.size();
  const auto [end, problem] = std::from_chars(text.data(), last, value);
  const size_t unit = end == last ? 0 : kUnits.find(*end) + 1;
  const bool known = end == last || (end + 1 == last && unit > 0);
  int64_t bytes = 0;
  if (problem != std::errc() || !known || value < 0 ||
      __builtin_mul_overflow(value, int64_t{1} << (10 * unit), &bytes))
    return Error{
        fmt::format("{}: '{}', must be a number of bytes, as 4096, 512M or 16G", flag, text),
        ErrorKind::Usage};
  return bytes;
}

// One executable: "input_ids=4,16", or several inputs joined by ';'.
Expected<InputShapes> parse_warm_up(const std::string& word) {
  Words inputs;
  std::istringstream stream(word);
  for (std::string input; std::getline(stream, input, ';');) inputs.push_back(input);
  auto shapes = parse_shapes(inputs);
  if (!shapes.ok())
    return Error{"--warm_up '" + word + "': must be NAME=D,D, or several joined by ';'",
                 ErrorKind::Usage};
  return shapes;
}

std::string cache_dir(const po::variables_map& flags) {
  for (const char* flag : {"cache_dir", "cache_path"})
    if (const auto& folder = flags[flag].as<std::string>(); !folder.empty()) return folder;
  return flags["no_cache"].as<bool>() ? "" : default_executable_cache();
}

std::string on_recompile_help() {
  std::string help = "for a shape without an executable: ";
  for (const EventWord<OnRecompile>& row : words_of(OnRecompile{}))
    help += fmt::format("{} ({}), ", row.word, row.sentence);
  help.replace(help.size() - 2, 2, "; ");
  return help + "the first compile is always made";
}

}  // namespace

po::options_description session_flags() {
  po::options_description flags("Recompiles and the cache (ONNX models)");
  flags.add_options()("events", po::value<std::string>()->default_value(""),
                      "append one JSON line per compile, load, pad, refusal and eviction to this "
                      "file")(
      "metrics", po::value<std::string>()->default_value(""),
      "write the counters to this file at the end, in Prometheus' text format")(
      "on_recompile", po::value<std::string>()->default_value("warn"), on_recompile_help().c_str())(
      "recompile_limit", po::value<int64_t>()->default_value(-1),
      "refuse more recompiles than this (exit code 3); -1: no limit")(
      "warm_up", po::value<Words>()->multitoken()->composing(),
      "compile these shapes first, whatever the policy: NAME=D,D for each executable")(
      "background", po::bool_switch(),
      "with pad: compile the shape itself meanwhile, for the batches that follow")(
      "cache_dir", po::value<std::string>()->default_value(""),
      "keep executables in this folder, for all processes; the default is TESSERA_CACHE_DIR")(
      "cache_path", po::value<std::string>()->default_value(""), "PopRT's name of --cache_dir")(
      "no_cache", po::bool_switch(), "do without TESSERA_CACHE_DIR")(
      "cache_limit", po::value<std::string>()->default_value("16G"),
      "bytes that the folder may hold; the least recently used go")(
      "memory_entries", po::value<int64_t>()->default_value(64),
      "executables that are kept ready to run; the least recently used go");
  return flags;
}

Status check_no_session_flags(const po::variables_map& flags) {
  const po::options_description all = session_flags();
  for (const auto& flag : all.options()) {
    const std::string& name = flag->long_name();
    if (flags.count(name) && !flags[name].defaulted())
      return Error{fmt::format("--{}: needs an ONNX model, an executable is never compiled", name),
                   ErrorKind::Usage};
  }
  return {};
}

Expected<SessionOptions> session_options(const po::variables_map& flags) {
  SessionOptions options;
  options.events_path = flags["events"].as<std::string>();
  auto policy = parse_on_recompile(flags["on_recompile"].as<std::string>());
  if (!policy.ok())
    return Error{fmt::format("--on_recompile: '{}', must be {}",
                             flags["on_recompile"].as<std::string>(), list_of_words<OnRecompile>()),
                 ErrorKind::Usage};
  options.on_recompile = *policy;
  options.recompile_limit = flags["recompile_limit"].as<int64_t>();
  if (options.recompile_limit < -1)
    return Error{fmt::format("--recompile_limit: {}, must be at least 0, or -1 for no limit",
                             options.recompile_limit),
                 ErrorKind::Usage};
  if (flags.count("warm_up"))
    for (const std::string& word : flags["warm_up"].as<Words>())
      options.warm_up.push_back(TRY(parse_warm_up(word)));
  options.background = flags["background"].as<bool>();
  if (options.background && options.on_recompile != OnRecompile::Pad)
    return Error{"--background: needs --on_recompile pad", ErrorKind::Usage};
  options.cache_dir = cache_dir(flags);
  options.cache_limit_bytes =
      TRY(parse_bytes("--cache_limit", flags["cache_limit"].as<std::string>()));
  const int64_t entries = flags["memory_entries"].as<int64_t>();
  if (entries < 1)
    return Error{fmt::format("--memory_entries: {}, must be at least 1", entries),
                 ErrorKind::Usage};
  options.memory_entries = static_cast<size_t>(entries);
  options.tell = [](const std::string& line) { print_error("{}\n", line); };
  return options;
}

}  // namespace tessera::tools
