// SPDX-License-Identifier: Apache-2.0
#include "check/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "check/cases.h"
#include "check/layers.h"
#include "check/meaning.h"
#include "check/reference.h"
#include "compiler/compile.h"
#include "compiler/convert.h"
#include "executor/model_runner.h"
#include "serving/batch_runner.h"
#include "serving/offline_runner.h"
#include "serving/padded_rows.h"
#include "support/guard.h"

namespace tessera {
namespace {

constexpr const char* kFormBPass = "insert_attention_mask";

// Numbers this large mark what is left out (a class, a hidden place). Their errors are shares of
// themselves, and they do not excuse those of others.
constexpr double kLargeNumber = 1e4;

// The largest of the first `count` numbers, without those that mark something left out.
double magnitude_of(const Array& array, size_t count) {
  double largest = 0;
  for (size_t i = 0; i < count; ++i)
    if (std::abs(array.data[i]) < kLargeNumber)
      largest = std::max(largest, std::abs(array.data[i]));
  return largest;
}

// NaN and the infinities must be where the reference has them.
double error_between(double a, double b) {
  if (a == b || (std::isnan(a) && std::isnan(b))) return 0;
  const double error = std::abs(a - b) / (std::abs(b) < kLargeNumber ? 1 : std::abs(b));
  return std::isnan(error) ? INFINITY : error;
}

// An error of one size of numbers, and the request that it is of.
struct Largest {
  double error = 0;
  std::string request;

  void see(double one, const std::string& of) {
    if (one <= error && !request.empty()) return;
    error = one;
    request = of;
  }
};

// Collects the errors of a form's answers, by output.
class Errors {
 public:
  Errors(std::optional<PackingForm> form, double tolerance) : form_(form), tolerance_(tolerance) {}

  // Where the reference is padded (`is_part`), its first elements are the answer's.
  void add(const std::string& output, const std::string& request, const Array& got,
           const Array& wanted, bool is_part = false) {
    OutputError& error = errors_[output];
    error.form = form_;
    error.output = output;
    ++error.answers;
    if (is_part ? got.data.size() > wanted.data.size() : got.data.size() != wanted.data.size()) {
      error.largest = INFINITY;
      error.worst = request;
      return;
    }
    error.magnitude = std::max(error.magnitude, magnitude_of(wanted, got.data.size()));
    for (size_t i = 0; i < got.data.size(); ++i) {
      const double one = error_between(got.data[i], wanted.data[i]);
      sums_[output] += one;
      const bool is_large = std::abs(wanted.data[i]) >= kLargeNumber;
      (is_large ? shares_ : largest_)[output].see(one, request);
    }
    counts_[output] += got.data.size();
  }

  void report(std::vector<OutputError>& errors) {
    for (auto& [output, error] : errors_) {
      const size_t count = counts_[output];
      error.mean = count == 0 ? 0 : sums_[output] / static_cast<double>(count);
      // A share of a large number counts as that share of the output's magnitude.
      Largest largest = largest_[output];
      if (const Largest& share = shares_[output]; !share.request.empty())
        largest.see(share.error * std::max(kLeastMagnitude, error.magnitude), share.request);
      if (largest.error >= error.largest && !largest.request.empty()) {
        error.largest = largest.error;
        error.worst = largest.request;
      }
      error.within = error.largest <= tolerance_ * std::max(kLeastMagnitude, error.magnitude);
      errors.push_back(error);
    }
  }

 private:
  const std::optional<PackingForm> form_;
  const double tolerance_;
  std::map<std::string, OutputError> errors_;
  std::map<std::string, Largest> largest_, shares_;  // of usual numbers, and of large ones
  std::map<std::string, double> sums_;
  std::map<std::string, size_t> counts_;
};

// Small sizes for the variable dimensions that nothing fixes: rows in front, tokens behind them.
Expected<InputShapes> with_usual_sizes(const std::string& path, const CompileOptions& options) {
  constexpr int64_t kRows = 2, kTokens = 16;
  InputShapes shapes = options.input_shape;
  if (!shapes.empty()) return shapes;
  for (const DeclaredInput& input : TRY(declared_model_inputs(path, options.limits))) {
    if (std::ranges::none_of(input.shape, [](int64_t dim) { return dim < 0; })) continue;
    Shape& shape = shapes[input.name] = input.shape;
    for (size_t d = 0; d < shape.size(); ++d)
      if (shape[d] < 0) shape[d] = d == 0 ? kRows : kTokens;
  }
  return shapes;
}

double usual_tolerance(Precision precision) {
  switch (precision) {
    case Precision::Fp32: return 1e-4;
    case Precision::Fp16: return 2e-2;
    case Precision::Fp8:
    case Precision::Fp8Weight: break;
  }
  return 0.2;
}

class Checker {
 public:
  Checker(const std::string& path, CheckOptions options, const CheckProgress& progress)
      : path_(path), options_(std::move(options)), progress_(progress) {
    report_.model = path;
    report_.tolerance = options_.tolerance.value_or(usual_tolerance(options_.compile.precision));
  }

  Expected<CheckReport> run() {
    tell("import");
    if (!TRY(read_model())) return std::move(report_);
    make_reference();
    TRY(describe());
    TRY(compare_batch());
    if (inputs_.only_these && !inputs_.ids.empty()) TRY(compare_requests());
    if (options_.by_layer) {
      tell("layers");
      TRY(find_layers());
    }
    return std::move(report_);
  }

 private:
  void tell(const std::string& what) const {
    if (progress_) progress_(what);
  }

  // False where the model cannot be imported: the report then has every node that stands against
  // it.
  Expected<bool> read_model() {
    const OnnxSurvey survey =
        TRY(survey_onnx(path_, options_.compile.input_shape, options_.compile.limits));
    report_.nodes = survey.nodes;
    report_.unsupported = survey.problems;
    if (!survey.problems.empty()) return false;
    model_ = TRY(import_onnx(path_, options_.compile.input_shape, options_.compile.limits));
    return true;
  }

  void make_reference() {
    reference_ = options_.reference == ReferenceKind::OnnxRuntime
                     ? onnxruntime_reference(path_, options_.python, model_.model_dtypes)
                     : interpreter_reference(path_, options_.compile.limits);
    report_.reference = reference_->name();
  }

  // The model as it is compiled without packing, whose graph shows what inputs mean.
  CompileOptions unpacked() const {
    CompileOptions options = options_.compile;
    options.pack_args.reset();
    std::erase(options.passes, kFormBPass);
    return options;
  }
  CompileOptions form_a() const {
    CompileOptions options = unpacked();
    options.pack_args = options_.compile.pack_args.value_or(
        PackArgs{inputs_.batch[0] * std::min<int64_t>(inputs_.batch[1], 4), inputs_.batch[1]});
    return options;
  }
  CompileOptions form_b() const {
    CompileOptions options = unpacked();
    options.passes.push_back(kFormBPass);
    return options;
  }

  Status describe() {
    tell("passes");
    const Converted converted = TRY(convert(path_, unpacked()));
    inputs_ = find_token_inputs(converted.graph, report_.inputs);
    inputs_.mask_hides = converted.packing.mask_hides;
    for (const KeptInFp32& one : converted.kept)
      report_.kept_in_fp32.push_back(fmt::format("{} ({}): {}", one.node, one.op, one.why));
    report_.forms.push_back({PackingForm::None,
                             converted.packing.request_size != RequestSize::Batch,
                             converted.packing.why_no_less, converted.packing.request_size});
    for (const PackingForm form : {PackingForm::A, PackingForm::B}) {
      FormVerdict verdict{form, false, "the model has no ids to pack", RequestSize::Tokens};
      if (!inputs_.ids.empty()) {
        const auto packed = convert(path_, form == PackingForm::A ? form_a() : form_b());
        verdict.possible = packed.ok();
        verdict.why_not = packed.ok() ? "" : without_path(packed.error().message);
      }
      report_.forms.push_back(std::move(verdict));
    }
    return {};
  }
  std::string without_path(const std::string& message) const {
    return message.starts_with(path_ + ": ") ? message.substr(path_.size() + 2) : message;
  }

  Expected<std::unique_ptr<ModelRunner>> runner_of(const CompileOptions& options) const {
    CompileResult result = TRY(compile(path_, options));
    return ModelRunner::create(std::make_shared<const Executable>(std::move(result.executable)),
                               options_.machine);
  }

  // The whole batch, as an executable without packing takes it.
  Status compare_batch() {
    tell("batch");
    const Arrays inputs = random_batch(model_.graph, inputs_, options_.seed);
    const std::vector<Arrays> wanted = TRY(reference_->answers({inputs}));
    const auto runner = TRY(runner_of(unpacked()));
    const Arrays got = TRY(run_batch(*runner, inputs));
    Errors errors(std::nullopt, report_.tolerance);
    for (const auto& [name, array] : got) errors.add(name, "batch", array, wanted[0].at(name));
    errors.report(report_.outputs);
    return {};
  }

  Status add_rows(const std::string& name, const Request& batch, std::vector<Case>& cases) const {
    std::vector<Request> rows = TRY(split_rows(batch, inputs_.ids));
    for (size_t row = 0; row < rows.size(); ++row) {
      const std::string named = fmt::format("{}{}row {}", name, name.empty() ? "" : ", ", row);
      auto own = without_padding(rows[row], inputs_.ids, inputs_.mask, inputs_.mask_hides ? 0 : 1);
      if (!own) return Error{"request '" + named + "': " + own.error().message};
      if (own->tokens.at(inputs_.ids).empty())
        return Error{"request '" + named + "': has no tokens, must have at least one"};
      const int64_t length = std::ssize(own->tokens.at(inputs_.ids));
      cases.push_back({named, own.take(), length, {}});
    }
    return {};
  }

  Expected<std::vector<Case>> cases() const {
    std::vector<Case> cases =
        random_cases(model_.graph, inputs_, options_.random_requests, options_.seed);
    for (const auto& [name, request] : options_.requests) {
      const auto ids = request.tokens.find(inputs_.ids);
      if (ids == request.tokens.end())
        return Error{"request '" + name + "': has no " + inputs_.ids + ", must have the ids"};
      if (padded_batch(inputs_.ids, request))
        TRY(add_rows(name, request, cases));
      else
        cases.push_back({name, request, std::ssize(ids->second), {}});
    }
    // At its own length where the model takes any; at the model's, padded, where it is of one.
    const auto shapes_at = [&](int64_t length) {
      InputShapes shapes;
      for (const auto& [name, of_token] : inputs_.of_token) {
        Shape& shape = shapes[name] = {1, length};
        shape.insert(shape.end(), of_token.begin(), of_token.end());
      }
      return shapes;
    };
    const int64_t other = inputs_.batch[1] > 2 ? inputs_.batch[1] - 1 : inputs_.batch[1] + 1;
    const bool any_length = import_onnx(path_, shapes_at(other), options_.compile.limits).ok();
    for (Case& one : cases)
      one.alone = any_length
                      ? inputs_alone(inputs_, one.request, 1, one.length)
                      : inputs_alone(inputs_, one.request, inputs_.batch[0], inputs_.batch[1]);
    return cases;
  }

  Status compare_requests() {
    tell("requests alone");
    const std::vector<Case> all = TRY(cases());
    std::vector<Arrays> alone;
    for (const Case& one : all) alone.push_back(one.alone);
    const std::vector<Arrays> wanted = TRY(reference_->answers(alone));
    for (const FormVerdict& form : report_.forms) {
      if (!form.possible) continue;
      tell(form.form == PackingForm::None ? "padded"
                                          : fmt::format("packed in {}", in_words(form.form)));
      TRY(compare_form(form, all, wanted));
    }
    return {};
  }

  Status compare_form(const FormVerdict& form, const std::vector<Case>& all,
                      const std::vector<Arrays>& wanted) {
    const CompileOptions options = form.form == PackingForm::None ? unpacked()
                                   : form.form == PackingForm::A  ? form_a()
                                                                  : form_b();
    const auto runner = TRY(runner_of(options));
    const auto batches = TRY(BatchRunner::create(*runner));
    std::vector<Request> taken;
    std::vector<size_t> which;
    std::string first_refused;
    for (size_t i = 0; i < all.size(); ++i) {
      if (const auto length = batches->check(all[i].request); !length.ok()) {
        if (first_refused.empty())
          first_refused = fmt::format("'{}': {}", all[i].name, length.error().message);
        continue;
      }
      taken.push_back(all[i].request);
      which.push_back(i);
    }
    if (!first_refused.empty())
      report_.not_compared.push_back(fmt::format("{}: {} of {} requests are refused, as {}",
                                                 word_of_form(form.form), all.size() - taken.size(),
                                                 all.size(), first_refused));
    if (taken.empty()) return {};
    const OfflineResult result = TRY(run_offline(*runner, PackPolicy::FirstFit, taken));
    Errors errors(form.form, report_.tolerance);
    for (size_t i = 0; i < taken.size(); ++i)
      for (const auto& [name, bytes] : result.answers[i].outputs)
        errors.add(name, all[which[i]].name, answer_array(*runner, name, bytes),
                   wanted[which[i]].at(name), is_padded(all[which[i]]));
    errors.report(report_.outputs);
    return {};
  }

  bool is_padded(const Case& one) const {
    return one.alone.at(inputs_.ids).type.shape != Shape{1, one.length};
  }

  static Array answer_array(const ModelRunner& runner, const std::string& name,
                            const std::vector<std::byte>& bytes) {
    for (const Anchor& anchor : runner.executable().metadata.anchors) {
      if (anchor.kind != AnchorKind::Output || anchor.name != name) continue;
      const auto count = static_cast<int64_t>(bytes.size()) / size_of(anchor.dtype);
      return to_array(Tensor::copy({anchor.dtype, {count}}, bytes));
    }
    return {};
  }

  Status find_layers() {
    const Arrays inputs = random_batch(model_.graph, inputs_, options_.seed);
    report_.layers = TRY(layer_errors(path_, unpacked(), options_.machine, model_.graph, inputs));
    for (size_t i = 0; i < report_.layers.size() && report_.first_bad_layer < 0; ++i)
      if (report_.layers[i].share() > report_.tolerance / 2)
        report_.first_bad_layer = static_cast<int64_t>(i);
    return {};
  }

  const std::string path_;
  const CheckOptions options_;
  const CheckProgress& progress_;
  ImportedModel model_;
  TokenInputs inputs_;
  std::unique_ptr<Reference> reference_;
  CheckReport report_;
};

}  // namespace

bool CheckReport::all_well() const {
  return unsupported.empty() && std::ranges::all_of(outputs, &OutputError::within);
}

Expected<CheckReport> check_model(const std::string& model_path, const CheckOptions& options,
                                  const CheckProgress& progress) {
  return guarded(model_path, [&]() -> Expected<CheckReport> {
    TRY(check_options(options.compile));
    CheckOptions fixed = options;
    fixed.compile.input_shape = TRY(with_usual_sizes(model_path, options.compile));
    return Checker(model_path, std::move(fixed), progress).run();
  });
}

}  // namespace tessera
