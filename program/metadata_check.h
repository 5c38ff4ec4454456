// SPDX-License-Identifier: Apache-2.0
// What an executable's metadata must say of its Program: anchors that are its inputs and outputs,
// and a packing contract that names them. Asked before a file is written and after it is read.
#pragma once

#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// Errors are BadFile's words, and name no file: "anchor 'x' is …, must be …".
Status check_metadata(const Program& program, const Metadata& metadata);

}  // namespace tessera
