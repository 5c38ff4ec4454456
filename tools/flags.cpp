// SPDX-License-Identifier: Apache-2.0
// Flags that several verbs share, and what they mean.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <chrono>
#include <cstdio>
#include <sstream>

#include "compiler/target_text.h"
#include "tools/verb.h"

namespace tessera::tools {
namespace {

using Words = std::vector<std::string>;

Error usage(std::string message) { return {std::move(message), ErrorKind::Usage}; }

Expected<int64_t> parse_int(const std::string& what, const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0)
    return usage(fmt::format("{}: '{}', must be a positive whole number", what, text));
  return value;
}

Words split(const std::string& text, char separator) {
  Words parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// "a,b" and several words alike.
Words names(const po::variables_map& flags, const char* flag) {
  Words all;
  if (!flags.count(flag)) return all;
  for (const std::string& word : flags[flag].as<Words>())
    for (std::string& name : split(word, ',')) all.push_back(std::move(name));
  return all;
}

Expected<PackArgs> parse_pack_args(const Words& words) {
  PackArgs args;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    int64_t* field = key == "max_valid_num"      ? &args.max_valid_num
                     : key == "segment_max_size" ? &args.segment_max_size
                                                 : nullptr;
    if (!field || equals == std::string::npos)
      return usage(
          fmt::format("--pack_args: '{}', must be max_valid_num=N or segment_max_size=N", word));
    *field = TRY(parse_int("--pack_args " + key, word.substr(equals + 1)));
  }
  if (!args.max_valid_num || !args.segment_max_size)
    return usage("--pack_args: must give both max_valid_num=N and segment_max_size=N");
  return args;
}

Status parse_compiler_options(const Words& words, CompileOptions& options) {
  const std::map<std::string, bool*> known{
      {"use_128bit_conv_unit_load", &options.use_128bit_conv_unit_load},
      {"enable_fast_reduce",        &options.enable_fast_reduce       }
  };
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    const auto found = known.find(word.substr(0, equals));
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (found == known.end() || (value != "true" && value != "false")) {
      std::string names;
      for (const auto& [name, field] : known) names += (names.empty() ? "" : " or ") + name;
      return usage(
          fmt::format("--compiler_options: '{}', must be {} = true or false", word, names));
    }
    *found->second = value == "true";
  }
  return {};
}

}  // namespace

po::options_description compile_flags() {
  po::options_description flags("Compiling");
  flags.add_options()(
      "input_shape", po::value<Words>()->multitoken()->composing(),
      "fix variable dimensions: NAME=D,D … for each input (inputs that share a symbolic name "
      "follow)")("precision", po::value<std::string>()->default_value("fp32"), "fp32 or fp16")(
      "fp16_skip_op_types", po::value<Words>()->multitoken()->composing(),
      "with --precision fp16: types of operations that stay in fp32: a,b (Gelu, "
      "LayerNormalization …)")("pack_args", po::value<Words>()->multitoken(),
                               "packing by unpack and repack: max_valid_num=N segment_max_size=N")(
      "passes", po::value<Words>()->multitoken()->composing(),
      "optional passes to add: a,b (insert_attention_mask: packing by attention mask)")(
      "skip_passes", po::value<Words>()->multitoken()->composing(), "passes to leave out: a,b")(
      "partials_type", po::value<std::string>()->default_value("half"),
      "what an fp16 matmul that is split over its inner dimension stores of its partial sums, and "
      "the rate at which the machine multiplies: half or float")(
      "available_memory_proportion", po::value<double>()->default_value(0.6),
      "share of a tile that one matmul's operands may take, in (0, 1]")(
      "compiler_options", po::value<Words>()->multitoken()->composing(),
      "use_128bit_conv_unit_load=true: weights interleaved, loaded 16 bytes a cycle; "
      "enable_fast_reduce=true: the same for sums of partials")(
      "target", po::value<Words>()->multitoken()->composing(),
      "c600 (the default), gc200, bow or test, and numbers to change in it: "
      "c600,tiles=736,clock_hz=1e9")("batches_per_step", po::value<int64_t>()->default_value(1),
                                     "batches for each start of the engine by the host")(
      "num_io_tiles", po::value<int64_t>()->default_value(0),
      "tiles that hold streams and do not compute, so that I/O overlaps; 0: none")(
      "prefetch", po::value<bool>()->default_value(true),
      "the host fills streams before they are asked for")(
      "dump_passes", po::value<std::string>()->default_value(""),
      "write the graph after each pass that changed it to this folder");
  return flags;
}

Expected<std::map<std::string, Shape>> parse_shapes(const Words& words) {
  std::map<std::string, Shape> shapes;
  for (const std::string& word : words) {
    const size_t equals = word.rfind('=');
    if (equals == std::string::npos || equals == 0)
      return usage(fmt::format("--input_shape: '{}', must be NAME=D,D …", word));
    const std::string name = word.substr(0, equals);
    Shape shape;
    for (const std::string& dim : split(word.substr(equals + 1), ','))
      shape.push_back(TRY(parse_int("--input_shape " + name, dim)));
    if (!is_valid_shape(shape))
      return usage(fmt::format("--input_shape {}: {} is too large", name, to_string(shape)));
    if (!shapes.emplace(name, shape).second)
      return usage(fmt::format("--input_shape {}: given twice, must be given once", name));
  }
  return shapes;
}

Expected<CompileOptions> compile_options(const po::variables_map& flags) {
  CompileOptions options;
  if (flags.count("input_shape"))
    options.input_shape = TRY(parse_shapes(flags["input_shape"].as<Words>()));

  const std::string precision = flags["precision"].as<std::string>();
  if (precision != "fp32" && precision != "fp16")
    return usage(fmt::format("--precision: '{}', must be fp32 or fp16", precision));
  options.precision = precision == "fp16" ? Precision::Fp16 : Precision::Fp32;
  options.fp16_skip_op_types = names(flags, "fp16_skip_op_types");

  const std::string partials = flags["partials_type"].as<std::string>();
  if (partials != "float" && partials != "half")
    return usage(fmt::format("--partials_type: '{}', must be float or half", partials));
  options.partials_type = partials == "half" ? PartialsType::Half : PartialsType::Float;

  options.available_memory_proportion = flags["available_memory_proportion"].as<double>();
  if (!(options.available_memory_proportion > 0 && options.available_memory_proportion <= 1))
    return usage(fmt::format("--available_memory_proportion: {}, must be in (0, 1]",
                             options.available_memory_proportion));

  if (flags.count("pack_args"))
    options.pack_args = TRY(parse_pack_args(flags["pack_args"].as<Words>()));
  if (flags.count("compiler_options"))
    TRY(parse_compiler_options(flags["compiler_options"].as<Words>(), options));
  options.passes = names(flags, "passes");
  options.skip_passes = names(flags, "skip_passes");
  if (flags.count("target")) {
    auto target = parse_target(flags["target"].as<Words>());
    if (!target.ok()) return usage("--" + target.error().message);
    options.target = target.take();
  }
  options.host = {flags["batches_per_step"].as<int64_t>(), flags["num_io_tiles"].as<int64_t>(),
                  flags["prefetch"].as<bool>()};
  options.dump_dir = flags["dump_passes"].as<std::string>();
  options.limits = TRY(limits_of(flags));
  return options;
}

po::options_description machine_flags() {
  po::options_description flags("Running");
  flags.add_options()("threads", po::value<int>()->default_value(0),
                      "host threads; 0: one per core")(
      "isolated", po::bool_switch(),
      "give every tile a memory of its own and really copy each exchange: slow, for doubters");
  return flags;
}

Expected<MachineOptions> machine_options(const po::variables_map& flags) {
  MachineOptions machine;
  machine.threads = flags["threads"].as<int>();
  machine.kind = flags["isolated"].as<bool>() ? MachineKind::Isolated : MachineKind::Direct;
  machine.limits = TRY(limits_of(flags));
  return machine;
}

double now_seconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

std::string human_bytes(int64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string human_seconds(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.2f} ms", seconds * 1e3);
  return fmt::format("{:.2f} s", seconds);
}

std::string human_count(int64_t count) {
  std::string digits = std::to_string(count);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace tessera::tools
