// SPDX-License-Identifier: Apache-2.0
#include "compiler/ways_out.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>

#include "compiler/compile.h"
#include "compiler/option_rows.h"

namespace tessera {
namespace {

struct Variant {
  std::string change;
  CompileOptions options;
  int64_t rows = 0;
};

std::string shapes_text(const CompileOptions& options) {
  std::string text = "--input_shape";
  for (const auto& [name, shape] : options.input_shape) {
    text += " " + name + "=";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? "," : "") + std::to_string(shape[i]);
  }
  return text;
}

// Every shape that was asked for with this dimension divided; none if one does not divide.
std::optional<Variant> divided(const CompileOptions& options, size_t axis, int64_t by) {
  Variant variant{.change = "", .options = options};
  if (options.input_shape.empty()) return std::nullopt;
  for (auto& [name, shape] : variant.options.input_shape) {
    if (shape.size() <= axis || shape[axis] % by != 0) return std::nullopt;
    shape[axis] /= by;
  }
  variant.change = shapes_text(variant.options);
  if (axis == 0) variant.rows = variant.options.input_shape.begin()->second[0];
  return variant;
}

std::vector<Variant> variants_of(const CompileOptions& options) {
  std::vector<Variant> all;
  if (options.precision == Precision::Fp32) {
    all.push_back({.change = "--precision fp16", .options = options});
    all.back().options.precision = Precision::Fp16;
  }
  if (options.pack_args) {
    all.push_back(
        {.change = "--passes insert_attention_mask instead of --pack_args", .options = options});
    all.back().options.pack_args.reset();
    all.back().options.passes.push_back("insert_attention_mask");
  }
  if (!options.fit) {
    all.push_back({.change = "--fit", .options = options});
    all.back().options.fit = true;
  }
  for (const auto& [axis, by] : {
           std::pair<size_t, int64_t>{0, 2},
            {0, 4},
            {1, 2}
  })
    if (auto variant = divided(options, axis, by)) all.push_back(std::move(*variant));
  return all;
}

}  // namespace

std::vector<WayOut> ways_out(const std::string& model_path, const CompileOptions& options,
                             double seconds, const WayOutProgress& progress) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  std::vector<WayOut> ways;
  std::vector<Variant> variants = variants_of(options);
  for (size_t i = 0; i < variants.size(); ++i) {
    Variant& variant = variants[i];
    if (std::chrono::duration<double>(Clock::now() - start).count() > seconds) break;
    if (progress) progress(variant.change, static_cast<int64_t>(i), std::ssize(variants));
    variant.options.dump_passes.clear();
    const Expected<CompileResult> result = compile(model_path, variant.options);
    if (!result) continue;
    const Metadata& metadata = result->executable.metadata;
    ways.push_back({.change = std::move(variant.change),
                    .peak_bytes = metadata.memory.peak_bytes,
                    .cycles = static_cast<int64_t>(metadata.cycles.total),
                    .rows = variant.rows,
                    .fits = metadata.memory.fits,
                    .values = option_values(variant.options)});
  }
  return ways;
}

std::string to_string(const std::vector<WayOut>& ways) {
  std::string text;
  for (const WayOut& way : ways) {
    text += fmt::format("\n  {:>10} bytes, {:>10} cycles a batch", way.peak_bytes, way.cycles);
    if (way.rows > 0) text += fmt::format(" of {}", way.rows);
    text += fmt::format(", {}: {}", way.fits ? "fits" : "does not fit", way.change);
  }
  return text;
}

}  // namespace tessera
