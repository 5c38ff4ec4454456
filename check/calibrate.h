// SPDX-License-Identifier: Apache-2.0
// Calibration of fp8 by data: the model runs in fp16 on batches of the user's, what its matmuls by
// weights read is kept, and for each the powers of two are found by which inputs and weights move
// least.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "check/check.h"
#include "check/fp8_loss.h"
#include "check/samples.h"
#include "compiler/options.h"
#include "executor/machine.h"
#include "support/expected.h"

namespace tessera {

struct CalibrationOptions {
  // Formats are fp8_params'; matmuls of fp8_skip_op_names are left out. Packing is left out too:
  // the model runs with a request in each row. The target has no part in it.
  CompileOptions compile;
  std::vector<Sample> samples;  // at least one; see shapes_for where compile has no input_shape
  MachineOptions machine;
  Fp8Loss loss = Fp8Loss::Kld;
};

struct CalibratedMatmul {
  std::string name;  // as fp8_op_params takes it
  Fp8Params params;
  double input_loss = 0, weight_loss = 0;  // by the loss that was asked for
  // The loss of the product of some rows by all columns, with both operands rounded, against the
  // product in fp16: by each measure, in the order of kFp8Losses.
  std::array<double, std::size(kFp8Losses)> product_losses = {};
};

// In the order of the model. Errors: those of compiling, a model without matmuls by weights, no
// sample, and a sample that does not fit the model.
Expected<std::vector<CalibratedMatmul>> calibrate_fp8(const std::string& model_path,
                                                      const CalibrationOptions& options,
                                                      const CheckProgress& progress = {});

// The options with what was found: fp8_op_params of all but the `keep_fp16` whose products lose
// most by the loss, which join fp8_skip_op_names. A Usage error where there are fewer matmuls.
Expected<CompileOptions> with_calibration(CompileOptions options,
                                          const std::vector<CalibratedMatmul>& found, Fp8Loss loss,
                                          int64_t keep_fp16);

}  // namespace tessera
