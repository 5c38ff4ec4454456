// SPDX-License-Identifier: Apache-2.0
#include "check/calibrate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "check/layers.h"
#include "check/meaning.h"
#include "check/roomy_target.h"
#include "compiler/convert.h"
#include "executor/model_runner.h"
#include "passes/fp8_matmuls.h"
#include "support/guard.h"

namespace tessera {
namespace {

// How much is kept of an input over all batches, and looked at of a weight: enough for a histogram,
// and little beside a model.
constexpr size_t kMostNumbers = size_t{1} << 17;
constexpr size_t kMostRows = 32;

struct Seen {
  std::vector<float> numbers;  // at equal distances, and the largest
  std::vector<float> rows;     // whole ones, at equal distances
};

// A weight and what it multiplies, by the names that the graph's outputs have.
struct Matmul {
  std::string name, input;
  Array weight;
};

// The model in fp16 without packing, whose outputs are what its matmuls by weights read.
struct Traced {
  Converted converted;
  bool mask_hides = false;  // its ones are padding
  std::vector<Matmul> matmuls;
};

CompileOptions in_fp16(CompileOptions options) {
  options.precision = Precision::Fp16;
  options.target = roomy_target();
  options.pack_args.reset();
  std::erase(options.passes, "insert_attention_mask");
  std::erase(options.passes, "insert_packing");
  options.fp8_params = {};
  options.fp8_op_params.clear();
  options.fp8_skip_op_names.clear();
  return options;
}

bool is_skipped(const CompileOptions& options, const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [&](const std::string& name) {
    return std::ranges::find(options.fp8_skip_op_names, name) != options.fp8_skip_op_names.end();
  });
}

Expected<Traced> trace(const std::string& path, const CompileOptions& options) {
  Traced traced{TRY(convert(path, in_fp16(options))), false, {}};
  traced.mask_hides = traced.converted.packing.mask_hides;
  Graph& graph = traced.converted.graph;
  std::unordered_map<const Node*, std::string> inputs;
  Outputs outputs;
  for (const auto& node : graph.nodes()) {
    if (!is_by_weight(*node)) continue;
    const std::vector<std::string> names = names_of(graph, *node);
    if (is_skipped(options, names)) continue;
    const auto [input, is_new] =
        inputs.emplace(node->in[0], "matmul input " + std::to_string(inputs.size()));
    if (is_new) outputs.push_back({input->second, node->in[0]});
    traced.matmuls.push_back({names.front(), input->second, to_array(node->in[1]->value)});
  }
  if (traced.matmuls.empty())
    return Error{path + ": no matmul of fp16 by weights is there, must be one to calibrate"};
  graph.outputs = std::move(outputs);
  traced.converted.packing = {};
  return traced;
}

// The distance at which a share of `count` numbers, in rows of `width`, is taken: one that visits
// every column.
size_t distance(size_t count, size_t width, size_t share) {
  size_t step = std::max<size_t>(1, count / std::max<size_t>(1, share));
  while (step > 1 && std::gcd(step, width) != 1) ++step;
  return step;
}

template <class IsUsed>
void take_numbers(const Array& array, size_t share, const IsUsed& is_used,
                  std::vector<float>& numbers) {
  const auto width = static_cast<size_t>(array.type.shape.back());
  const size_t step = distance(array.data.size(), width, share);
  double largest = 0;
  for (size_t i = 0; i < array.data.size(); ++i) {
    const double number = array.data[i];
    if (!is_used(static_cast<int64_t>(i))) continue;
    if (i % step == 0) numbers.push_back(static_cast<float>(number));
    if (std::isfinite(number) && std::abs(number) > std::abs(largest)) largest = number;
  }
  numbers.push_back(static_cast<float>(largest));
}

// Takes an equal share of each batch.
void take(const Array& array, size_t batches, const UsedElements& is_used, Seen& seen) {
  take_numbers(array, kMostNumbers / batches, is_used, seen.numbers);
  const auto width = static_cast<size_t>(array.type.shape.back());
  const size_t rows = width == 0 ? 0 : array.data.size() / width;
  const size_t step = std::max<size_t>(1, rows * batches / kMostRows);
  for (size_t row = 0; row < rows; row += step) {
    if (!is_used(static_cast<int64_t>(row * width))) continue;
    for (size_t i = 0; i < width; ++i)
      seen.rows.push_back(static_cast<float>(array.data[row * width + i]));
  }
}

using Inputs = std::map<std::string, Seen>;

Expected<Inputs> run(Traced traced, const CalibrationOptions& options, const TokenInputs& tokens,
                     const std::vector<SampleBatch>& batches) {
  CompileResult compiled =
      TRY(compile_graph(std::move(traced.converted), in_fp16(options.compile)));
  const auto runner = TRY(ModelRunner::create(
      std::make_shared<const Executable>(std::move(compiled.executable)), options.machine));
  Inputs inputs;
  for (const SampleBatch& batch : batches)
    for (const auto& [name, array] : TRY(run_batch(*runner, batch.inputs)))
      take(array, batches.size(), UsedElements(batch, tokens, array.type.shape), inputs[name]);
  return inputs;
}

// Some rows by the whole weight, in f32.
std::vector<float> product(std::span<const float> rows, std::span<const float> weight,
                           size_t terms) {
  const size_t count = rows.size() / terms, columns = weight.size() / terms;
  std::vector<float> out(count * columns, 0);
  for (size_t row = 0; row < count; ++row)
    for (size_t k = 0; k < terms; ++k) {
      const float term = rows[row * terms + k];
      for (size_t c = 0; c < columns; ++c) out[row * columns + c] += term * weight[k * columns + c];
    }
  return out;
}

CalibratedMatmul calibrated(const Matmul& matmul, const Seen& seen,
                            const CalibrationOptions& options) {
  const std::vector<float> weight(matmul.weight.data.begin(), matmul.weight.data.end());
  std::vector<float> some;
  take_numbers(matmul.weight, kMostNumbers, [](int64_t) { return true; }, some);
  CalibratedMatmul found{.name = matmul.name, .params = options.compile.fp8_params};
  Fp8Params& params = found.params;
  const Fp8Scale of_input = best_fp8_scale(options.loss, seen.numbers, params.input);
  const Fp8Scale of_weight = best_fp8_scale(options.loss, some, params.weight);
  params.input_scale = of_input.scale;
  params.weight_scale = of_weight.scale;
  found.input_loss = of_input.loss;
  found.weight_loss = of_weight.loss;
  // The first matrix stands for all of a batch of weights.
  const Shape& shape = matmul.weight.type.shape;
  const auto terms = static_cast<size_t>(shape.end()[-2]);
  const std::span matrix(weight.data(), terms * static_cast<size_t>(shape.back()));
  const bool casts_inputs = options.compile.precision != Precision::Fp8Weight;
  const std::vector<float> rows =
      casts_inputs ? through_fp8(seen.rows, params.input, params.input_scale) : seen.rows;
  const std::vector<float> wanted = product(seen.rows, matrix, terms);
  const std::vector<float> got =
      product(rows, through_fp8(matrix, params.weight, params.weight_scale), terms);
  for (size_t i = 0; i < std::size(kFp8Losses) && !wanted.empty(); ++i)
    found.product_losses[i] = fp8_loss(kFp8Losses[i], wanted, got);
  return found;
}

Expected<std::vector<CalibratedMatmul>> calibrate(const std::string& model_path,
                                                  CalibrationOptions options,
                                                  const CheckProgress& progress) {
  const auto tell = [&](const std::string& what) {
    if (progress) progress(what);
  };
  if (options.samples.empty())
    return Error{model_path + ": there is no sample to calibrate with, must be one",
                 ErrorKind::Usage};
  tell("compile in fp16");
  options.compile.input_shape = TRY(
      shapes_for(model_path, options.compile.input_shape, options.samples, options.compile.limits));
  Traced traced = TRY(trace(model_path, options.compile));
  std::vector<InputMeaning> meanings;
  TokenInputs tokens = find_token_inputs(traced.converted.graph, meanings);
  tokens.mask_hides = traced.mask_hides;
  const std::vector<SampleBatch> batches =
      TRY(batches_of(traced.converted.graph, tokens, options.samples));
  const std::vector<Matmul> matmuls = std::move(traced.matmuls);
  tell(fmt::format("run {} batches", batches.size()));
  const Inputs inputs = TRY(run(std::move(traced), options, tokens, batches));
  std::vector<CalibratedMatmul> found;
  for (const Matmul& matmul : matmuls) {
    tell(fmt::format("matmul {} of {}", found.size() + 1, matmuls.size()));
    found.push_back(calibrated(matmul, inputs.at(matmul.input), options));
  }
  return found;
}

}  // namespace

Expected<std::vector<CalibratedMatmul>> calibrate_fp8(const std::string& model_path,
                                                      const CalibrationOptions& options,
                                                      const CheckProgress& progress) {
  return guarded(model_path, [&] { return calibrate(model_path, options, progress); });
}

Expected<CompileOptions> with_calibration(CompileOptions options,
                                          const std::vector<CalibratedMatmul>& found, Fp8Loss loss,
                                          int64_t keep_fp16) {
  if (keep_fp16 < 0 || keep_fp16 > std::ssize(found))
    return Error{
        fmt::format("num_of_layers_keep_fp16: is {}, must be from 0 to {}, the matmuls that "
                    "may be fp8",
                    keep_fp16, found.size()),
        ErrorKind::Usage};
  const size_t by = static_cast<size_t>(std::ranges::find(kFp8Losses, loss) - kFp8Losses);
  std::vector<const CalibratedMatmul*> worst_first;
  for (const CalibratedMatmul& matmul : found) worst_first.push_back(&matmul);
  std::ranges::stable_sort(worst_first, std::greater{}, [by](const CalibratedMatmul* matmul) {
    return matmul->product_losses[by];
  });
  for (size_t i = 0; i < worst_first.size(); ++i) {
    if (std::cmp_less(i, keep_fp16))
      options.fp8_skip_op_names.push_back(worst_first[i]->name);
    else
      options.fp8_op_params[worst_first[i]->name] = worst_first[i]->params;
  }
  return options;
}

}  // namespace tessera
