// SPDX-License-Identifier: Apache-2.0
#include "compiler/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "compiler/op_types.h"

namespace tessera {
namespace {

std::string target_text(const Target& target) {
  std::string text = target.name;
  for_each_field(target, [&text](const char* field, auto value) {
    text += fmt::format(" {}={}", field, value);
  });
  return text;
}

// Order and repetition of names do not matter.
std::string names_text(std::vector<std::string> names) {
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return fmt::format("{}", fmt::join(names, ","));
}

Status check_host(const CompileOptions& options) {
  const HostIo& host = options.host;
  if (host.batches_per_step < 1 || host.batches_per_step > 1'000'000)
    return Error{
        fmt::format("batches_per_step: is {}, must be from 1 to 1000000", host.batches_per_step),
        ErrorKind::Usage};
  if (host.io_tiles >= 0 && host.io_tiles < options.target.tiles) return {};
  return Error{
      fmt::format("num_io_tiles: is {}, must be from 0 to {}, which leaves one of {} tiles",
                  host.io_tiles, options.target.tiles - 1, options.target.tiles),
      ErrorKind::Usage};
}

Status check_skipped(const std::vector<std::string>& types) {
  for (const std::string& type : types) {
    if (op_of_type(type)) continue;
    return Error{fmt::format("fp16_skip_op_types: there is no '{}', must be a type of operation "
                             "such as Gelu, LayerNormalization or Softmax",
                             type),
                 ErrorKind::Usage};
  }
  return {};
}

}  // namespace

Status check_options(const CompileOptions& options) {
  const auto usage = [](std::string message) {
    return Error{std::move(message), ErrorKind::Usage};
  };
  const double proportion = options.available_memory_proportion;
  if (!(proportion > 0 && proportion <= 1)) {
    return usage(fmt::format("available_memory_proportion: is {}, must be above 0 and at most 1",
                             proportion));
  }
  TRY(check_skipped(options.fp16_skip_op_types));
  TRY(check_host(options));
  if (!options.pack_args) return {};
  for (const auto& [name, value] : {
           std::pair("max_valid_num", options.pack_args->max_valid_num),
           {"segment_max_size", options.pack_args->segment_max_size}
  }) {
    if (value < 1)
      return usage(fmt::format("pack_args: {} is {}, must be at least 1", name, value));
  }
  return {};
}

std::string to_string(const CompileOptions& options) {
  std::string text;
  for (const auto& [name, shape] : options.input_shape) {
    text += fmt::format("input_shape {}={}\n", name, to_string(shape));
  }
  text += fmt::format("precision {}\n", options.precision == Precision::Fp16 ? "fp16" : "fp32");
  if (!options.fp16_skip_op_types.empty())
    text += fmt::format("fp16_skip_op_types {}\n", names_text(options.fp16_skip_op_types));
  text += fmt::format("partials_type {}\n",
                      options.partials_type == PartialsType::Half ? "half" : "float");
  text += fmt::format("available_memory_proportion {}\n", options.available_memory_proportion);
  if (options.use_128bit_conv_unit_load) text += "use_128bit_conv_unit_load true\n";
  if (options.enable_fast_reduce) text += "enable_fast_reduce true\n";
  if (options.pack_args) {
    text += fmt::format("pack_args max_valid_num={} segment_max_size={}\n",
                        options.pack_args->max_valid_num, options.pack_args->segment_max_size);
  }
  text += fmt::format("passes {}\n", names_text(options.passes));
  text += fmt::format("skip_passes {}\n", names_text(options.skip_passes));
  if (const HostIo& host = options.host; host != HostIo{})
    text += fmt::format("batches_per_step {}\nnum_io_tiles {}\nprefetch {}\n",
                        host.batches_per_step, host.io_tiles, host.prefetch);
  text += fmt::format("target {}\n", target_text(options.target));
  return text;
}

}  // namespace tessera
