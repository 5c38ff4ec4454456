// SPDX-License-Identifier: Apache-2.0
// Both models run on the machine, in batches of the same samples, with what their matmuls make as
// further outputs. A model with other matmuls in bytes is written to a scratch folder, compiled and
// run: errors are measured, and none is guessed from the weights.
#include "check/quantization.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>
#include <utility>

#include "check/layers.h"
#include "check/meaning.h"
#include "check/roomy_target.h"
#include "check/scratch_folder.h"
#include "compiler/compile.h"
#include "compiler/convert.h"
#include "compiler/onnx/import/import.h"
#include "executor/jit.h"
#include "executor/model_runner.h"
#include "support/guard.h"

namespace tessera {
namespace {

using NameSet = std::set<std::string>;

class ErrorSum {
 public:
  void add(const Array& got, const Array& wanted, const UsedElements& is_used) {
    for (size_t i = 0; i < wanted.data.size(); ++i) {
      if (!is_used(static_cast<int64_t>(i))) continue;
      const double x = got.data[i], y = wanted.data[i];
      const bool is_same = x == y || (std::isnan(x) && std::isnan(y));
      if (!is_same || std::isfinite(y)) add(x, y);
    }
  }
  MeasuredError result() const {
    MeasuredError error{0, largest_, magnitude_, 1};
    const bool is_bad = !std::isfinite(differences_);
    if (differences_ > 0 || is_bad)
      error.relative = wanted_ > 0 && !is_bad ? std::sqrt(differences_ / wanted_) : INFINITY;
    if (got_ > 0 && wanted_ > 0) error.cosine = products_ / std::sqrt(got_ * wanted_);
    if (is_bad) error.cosine = 0;
    return error;
  }

 private:
  void add(double got, double wanted) {
    const double difference = std::abs(got - wanted);
    differences_ += std::isnan(difference) ? INFINITY : difference * difference;
    largest_ = std::max(largest_, std::isnan(difference) ? INFINITY : difference);
    magnitude_ = std::max(magnitude_, std::abs(wanted));
    got_ += got * got;
    wanted_ += wanted * wanted;
    products_ += got * wanted;
  }
  double differences_ = 0, got_ = 0, wanted_ = 0, products_ = 0, largest_ = 0, magnitude_ = 0;
};

class Quantization {
 public:
  Quantization(const std::string& path, QuantizationOptions options, const CheckProgress& progress)
      : path_(path), options_(std::move(options)), progress_(progress) {
    report_.model = path;
    report_.by = options_.by;
  }

  Expected<QuantizationReport> run(const std::string& output_path) {
    report_.output = output_path;
    TRY(prepare());
    if (options_.by == QuantizedBy::Ends) TRY(find_ends());
    TRY(choose());
    TRY(measure_matmuls());
    tell("writing");
    TRY(quantize_model(path_, output_path, options_of(skipped_), options_.limits));
    return std::move(report_);
  }

 private:
  void tell(const std::string& what) const {
    if (progress_) progress_(what);
  }

  Status prepare() {
    tell("import");
    if (scratch_.path().empty())
      return Error{std::string("quantize: a scratch folder cannot be made (") +
                   std::strerror(errno) + "), must be: TMPDIR names where"};
    for (WeightedMatmul& one : TRY(find_weighted_matmuls(path_, options_.limits)))
      report_.matmuls.push_back({std::move(one), true, {}, {}, {}});
    for (const std::string& name : TRY(model_outputs(path_, options_.limits)))
      output_names_.insert(name);
    options_.input_shape =
        TRY(shapes_for(path_, options_.input_shape, options_.samples, options_.limits));
    options_.machine.jit = TRY(shared_jit());
    const Converted converted = TRY(convert(path_, compile_options()));
    std::vector<InputMeaning> meanings;
    inputs_ = find_token_inputs(converted.graph, meanings);
    inputs_.mask_hides = converted.packing.mask_hides;
    const ImportedModel model = TRY(import_onnx(path_, options_.input_shape, options_.limits));
    return draw_batches(model.graph);
  }

  Status draw_batches(const Graph& graph) {
    const bool own = !options_.samples.empty();
    batches_ = own ? TRY(batches_of(graph, inputs_, options_.samples))
                   : random_batches(graph, inputs_, options_.random_requests, options_.seed);
    const std::string batch =
        inputs_.batch.empty() ? "" : fmt::format(" of {}x{}", inputs_.batch[0], inputs_.batch[1]);
    report_.samples =
        own ? fmt::format("{} samples, in {} batches{}", options_.samples.size(), batches_.size(),
                          batch)
            : fmt::format("numbers drawn at random, in {} batches{}", batches_.size(), batch);
    if (own) return {};
    report_.warnings.push_back(
        options_.by == QuantizedBy::Ends
            ? "no calibration set: scales are those of numbers drawn at random, and real ones "
              "beyond their ends will be cut off; give --calibration"
            : "no calibration set: errors are those of numbers drawn at random; give --calibration "
              "to measure yours");
    return {};
  }

  // Codelets are compiled once for all models that are tried.
  Expected<std::shared_ptr<Jit>> shared_jit() const {
    if (options_.machine.jit) return options_.machine.jit;
    return std::shared_ptr<Jit>(TRY(
        Jit::create({.cpu = options_.machine.cpu, .cache_folder = options_.machine.cache_folder})));
  }

  CompileOptions compile_options() const {
    CompileOptions options;
    options.input_shape = options_.input_shape;
    options.target = roomy_target();
    options.limits = options_.limits;
    return options;
  }

  Expected<std::unique_ptr<ModelRunner>> runner_of(const std::string& model) const {
    CompileResult result = TRY(compile(model, compile_options()));
    return ModelRunner::create(std::make_shared<const Executable>(std::move(result.executable)),
                               options_.machine);
  }

  // Runs the model with these values as further outputs.
  Expected<std::unique_ptr<ModelRunner>> watching(const std::string& model,
                                                  const NameSet& values) const {
    const std::string to = scratch_.path() + "/watched.onnx";
    TRY(watch_values(model, to, values, options_.limits));
    return runner_of(to);
  }

  QuantizeOptions options_of(const NameSet& skip) const { return {options_.by, skip, ends_}; }

  // The path of the model in which these matmuls stay as they are.
  Expected<std::string> quantized(const NameSet& skip) const {
    const std::string to = scratch_.path() + "/quantized.onnx";
    TRY(quantize_model(path_, to, options_of(skip), options_.limits));
    return to;
  }

  // The least and the greatest number of each value that is multiplied.
  Status find_ends() {
    tell("calibration");
    NameSet values;
    for (const QuantizedMatmul& one : report_.matmuls) values.insert(one.is.input);
    const auto runner = TRY(watching(path_, values));
    for (const SampleBatch& batch : batches_) {
      const Arrays got = TRY(run_batch(*runner, batch.inputs));
      for (const std::string& name : values) {
        const Array& value = got.at(name);
        const UsedElements is_used(batch, inputs_, value.type.shape);
        Interval& ends = ends_.try_emplace(name, Interval{0, 0}).first->second;
        for (size_t i = 0; i < value.data.size(); ++i)
          if (is_used(static_cast<int64_t>(i)) && std::isfinite(value.data[i]))
            ends = hull(ends, {value.data[i], value.data[i]});
      }
    }
    return {};
  }

  Status choose() {
    for (QuantizedMatmul& one : report_.matmuls) {
      if (!options_.skip.contains(one.is.node) && !options_.skip.contains(one.is.output)) continue;
      stay(one, "asked for");
    }
    skipped_ = options_.skip;  // with its slips, which quantize_model names
    if (options_.skip_most_sensitive == 0 && !options_.max_error) return {};
    TRY(quantized(skipped_));
    if (options_.max_error && TRY(error_with(skipped_)) <= *options_.max_error) return {};
    const std::vector<QuantizedMatmul*> by_error = TRY(most_sensitive_first());
    const auto most = std::ssize(by_error) - 1;
    int64_t count = options_.skip_most_sensitive;
    if (count > most)
      return Error{fmt::format("quantize: {} matmuls would be left out, must be at most {} of the "
                               "{} that would have bytes",
                               count, most, by_error.size()),
                   ErrorKind::Usage};
    if (options_.max_error) count = TRY(least_count(by_error));
    for (int64_t i = 0; i < count; ++i) leave(*by_error[static_cast<size_t>(i)]);
    return {};
  }

  static void stay(QuantizedMatmul& one, const std::string& why) {
    one.quantized = false;
    one.why_not = why;
  }
  void leave(QuantizedMatmul& one) {
    stay(one, "sensitive");
    skipped_.insert(one.is.output);
  }

  // The least number of the most sensitive matmuls without which the error is small enough.
  Expected<int64_t> least_count(const std::vector<QuantizedMatmul*>& by_error) {
    int64_t too_few = 0, enough = std::ssize(by_error);  // all of them: no bytes, and no error
    while (enough - too_few > 1) {
      const int64_t count = (too_few + enough) / 2;
      tell(fmt::format("without the {} most sensitive", count));
      NameSet skip = skipped_;
      for (int64_t i = 0; i < count; ++i) skip.insert(by_error[static_cast<size_t>(i)]->is.output);
      (TRY(error_with(skip)) <= *options_.max_error ? enough : too_few) = count;
    }
    if (enough < std::ssize(by_error)) return enough;
    return Error{
        fmt::format("quantize: the error is {:.3g} with '{}' alone in bytes, must be at "
                    "most {:g} (--max_error)",
                    *by_error.back()->alone, by_error.back()->is.node, *options_.max_error)};
  }

  Expected<std::vector<QuantizedMatmul*>> most_sensitive_first() {
    std::vector<QuantizedMatmul*> all;
    for (QuantizedMatmul& one : report_.matmuls)
      if (one.quantized) all.push_back(&one);
    for (size_t i = 0; i < all.size(); ++i) {
      tell(fmt::format("sensitivity, {} of {}", i, all.size()));
      NameSet skip = skipped_;
      for (const QuantizedMatmul* other : all)
        if (other != all[i]) skip.insert(other->is.output);
      all[i]->alone = TRY(error_with(skip));
    }
    std::ranges::stable_sort(all,
                             [](const auto* a, const auto* b) { return *a->alone > *b->alone; });
    return all;
  }

  // The worst output's, where these matmuls stay as they are.
  Expected<double> error_with(const NameSet& skip) {
    TRY(run_floats());
    const auto runner = TRY(runner_of(TRY(quantized(skip))));
    std::map<std::string, ErrorSum> sums;
    for (size_t b = 0; b < batches_.size(); ++b) {
      const Arrays got = TRY(run_batch(*runner, batches_[b].inputs));
      for (const auto& [name, wanted] : wanted_[b])
        sums[name].add(got.at(name), wanted, UsedElements(batches_[b], inputs_, wanted.type.shape));
    }
    double worst = 0;
    for (const auto& [name, sum] : sums) worst = std::max(worst, sum.result().relative);
    return worst;
  }

  // The outputs of the model of floats, once.
  Status run_floats() {
    if (!wanted_.empty()) return {};
    const auto runner = TRY(runner_of(path_));
    for (const SampleBatch& batch : batches_)
      wanted_.push_back(TRY(run_batch(*runner, batch.inputs)));
    return {};
  }

  // Outputs, and what every matmul makes that has bytes, in one walk over the samples.
  Status measure_matmuls() {
    tell("errors");
    NameSet values;
    for (const QuantizedMatmul& one : report_.matmuls)
      if (one.quantized) values.insert(one.is.output);
    const auto floats = TRY(watching(path_, values));
    const auto bytes = TRY(watching(TRY(quantized(skipped_)), values));
    values.insert(output_names_.begin(), output_names_.end());
    std::map<std::string, ErrorSum> sums;
    for (const SampleBatch& batch : batches_) {
      const Arrays wanted = TRY(run_batch(*floats, batch.inputs));
      const Arrays got = TRY(run_batch(*bytes, batch.inputs));
      for (const std::string& name : values)
        sums[name].add(got.at(name), wanted.at(name),
                       UsedElements(batch, inputs_, wanted.at(name).type.shape));
    }
    for (const std::string& name : TRY(model_outputs(path_, options_.limits)))
      report_.outputs.push_back({name, sums[name].result()});
    for (QuantizedMatmul& one : report_.matmuls)
      if (one.quantized) one.error = sums[one.is.output].result();
    return {};
  }

  const std::string path_;
  QuantizationOptions options_;
  const CheckProgress& progress_;
  const ScratchFolder scratch_;
  NameSet output_names_, skipped_;
  TokenInputs inputs_;
  std::vector<SampleBatch> batches_;
  std::vector<Arrays> wanted_;  // by batch
  NamedIntervals ends_;
  QuantizationReport report_;
};

Status check_quantization_options(const QuantizationOptions& options) {
  const auto usage = [](const std::string& what) { return Error{what, ErrorKind::Usage}; };
  if (options.max_error && options.skip_most_sensitive != 0)
    return usage("quantize: has max_error and skip_most_sensitive, must have at most one of them");
  if (options.max_error && !(*options.max_error > 0))
    return usage(fmt::format("max_error: is {:g}, must be above 0", *options.max_error));
  if (options.skip_most_sensitive < 0)
    return usage(
        fmt::format("skip_most_sensitive: is {}, must be 0 or more", options.skip_most_sensitive));
  if (options.samples.empty() && (options.random_requests < 1 || options.random_requests > 10'000))
    return usage(
        fmt::format("random_requests: is {}, must be 1 to 10000", options.random_requests));
  return {};
}

}  // namespace

Expected<QuantizedBy> parse_quantized_by(const std::string& word) {
  for (const QuantizedBy by : {QuantizedBy::Token, QuantizedBy::Tensor, QuantizedBy::Ends})
    if (to_string(by) == word) return by;
  return Error{"scales: is '" + word + "', must be token, tensor or static", ErrorKind::Usage};
}

std::string_view to_string(QuantizedBy by) {
  switch (by) {
    case QuantizedBy::Token: return "token";
    case QuantizedBy::Tensor: return "tensor";
    case QuantizedBy::Ends: return "static";
  }
  return "";
}

int64_t QuantizationReport::quantized() const {
  return std::ranges::count(matmuls, true, &QuantizedMatmul::quantized);
}

double QuantizationReport::worst() const {
  double worst = 0;
  for (const QuantizedOutput& output : outputs) worst = std::max(worst, output.error.relative);
  return worst;
}

int64_t QuantizationReport::float_bytes() const {
  int64_t bytes = 0;
  for (const QuantizedMatmul& one : matmuls)
    if (one.quantized) bytes += 4 * one.is.terms * one.is.columns;
  return bytes;
}

int64_t QuantizationReport::int8_bytes() const {
  int64_t bytes = 0;
  for (const QuantizedMatmul& one : matmuls)
    if (one.quantized) bytes += (one.is.terms + 4) * one.is.columns;
  return bytes;
}

Expected<QuantizationReport> quantize_and_measure(const std::string& model_path,
                                                  const std::string& output_path,
                                                  const QuantizationOptions& options,
                                                  const CheckProgress& progress) {
  return guarded(model_path, [&]() -> Expected<QuantizationReport> {
    TRY(check_quantization_options(options));
    return Quantization(model_path, options, progress).run(output_path);
  });
}

}  // namespace tessera
