// SPDX-License-Identifier: Apache-2.0
#include "tools/verbs/calibration.h"

#include <fmt/format.h>

#include <algorithm>

#include "check/calibrate.h"
#include "compiler/fp8_text.h"
#include "tools/files/sample_files.h"
#include "tools/print/print.h"
#include "tools/print/progress.h"

namespace tessera::tools {
namespace {

constexpr const char* kWithData = "calibration_with_data";
constexpr const char* kData = "data_preprocess";
constexpr const char* kLoss = "calibration_loss_type";
constexpr const char* kKeep = "num_of_layers_keep_fp16";
constexpr const char* kCompare = "precision_compare";

Error usage(const char* flag, const std::string& what) {
  return {fmt::format("--{}: {}", flag, what), ErrorKind::Usage};
}

// A line for each matmul, the noisiest product first. On stderr: the summary of the compile may be
// JSON.
void print_comparison(std::vector<CalibratedMatmul> found) {
  const auto noise = [](const CalibratedMatmul& one) {
    return one.product_losses[static_cast<size_t>(Fp8Loss::Snr)];
  };
  std::ranges::stable_sort(found, std::greater{}, noise);
  print_error("{:<40} {:<20}", "product in fp8 against fp16", "fp8_params");
  for (const Fp8Loss loss : kFp8Losses) print_error(" {:>10}", to_string(loss));
  print_error("\n");
  for (const CalibratedMatmul& one : found) {
    print_error("{:<40} {:<20}", one.name, to_string(one.params));
    for (const double loss : one.product_losses) print_error(" {:>10.3g}", loss);
    print_error("\n");
  }
}

bool is_fp8(const CompileOptions& options) {
  return options.precision == Precision::Fp8 || options.precision == Precision::Fp8Weight;
}

}  // namespace

po::options_description calibration_flags() {
  po::options_description flags("Calibrating fp8");
  flags.add_options()(kWithData, po::bool_switch(),
                      "with precision fp8 or fp8_weight: find the powers of two of each matmul by "
                      "running the model in fp16 on the batches of --data_preprocess")(
      kData, po::value<std::vector<std::string>>()->multitoken(),
      (std::string(kSampleHelp) + " (PopRT takes a pickle, which could run code.)").c_str())(
      kLoss, po::value<std::string>()->default_value("kld"),
      "by what the powers are chosen: mse, mae, snr, kld or cos_dist")(
      kKeep, po::value<int64_t>()->default_value(0),
      "this many matmuls, of which the products lose most, stay in fp16")(
      kCompare, po::bool_switch(),
      "print how far each product is from that of fp16, by every loss");
  return flags;
}

Expected<CompileOptions> calibrated(const po::variables_map& flags, const std::string& model,
                                    CompileOptions options) {
  const Fp8Loss loss = TRY(parse_fp8_loss(flags[kLoss].as<std::string>()));
  if (!flags[kWithData].as<bool>()) {
    const bool has_data = flags.count(kData) != 0, compares = flags[kCompare].as<bool>();
    for (const auto& [flag, is_given] : {
             std::pair{kData,    has_data                 },
             std::pair{kCompare, compares                 },
             std::pair{kLoss,    !flags[kLoss].defaulted()},
             std::pair{kKeep,    !flags[kKeep].defaulted()}
    })
      if (is_given) return usage(flag, fmt::format("is given, must be with --{}", kWithData));
    return options;
  }
  if (!is_fp8(options)) return usage(kWithData, "precision must be fp8 or fp8_weight");
  if (!flags.count(kData)) return usage(kWithData, fmt::format("must be with --{} PATH …", kData));
  CalibrationOptions calibration{.compile = options, .samples = {}, .machine = {}, .loss = loss};
  calibration.samples =
      TRY(read_samples(flags[kData].as<std::vector<std::string>>(), model, options.limits));
  Progress progress("calibrate " + model);
  const std::vector<CalibratedMatmul> found =
      TRY(calibrate_fp8(model, calibration, [&](const std::string& what) { progress.step(what); }));
  if (flags[kCompare].as<bool>()) print_comparison(found);
  return with_calibration(std::move(options), found, loss, flags[kKeep].as<int64_t>());
}

}  // namespace tessera::tools
