// SPDX-License-Identifier: Apache-2.0
// The model's outputs, and how far what it declares of them holds.
#pragma once

#include <string>

#include "compiler/onnx/import/call.h"
#include "compiler/onnx/import/import.h"
#include "onnx.pb.h"

namespace tessera {

// Makes `value` the next output of `model`. A declared type that is not the inferred one is only a
// warning. `as_stored`: numbers of 8 bits stay i8 and u8, and are not cast to i32. A value that
// int32 does not hold is an error.
Status add_output(ImportedModel& model, const std::string& path,
                  const ::onnx::ValueInfoProto& declared, OnnxValue value, bool as_stored);

}  // namespace tessera
