// SPDX-License-Identifier: Apache-2.0
// An executable's metadata fits its Program: its anchors are the inputs and outputs, and its
// packing contract names them. This is checked before a file is written and after it is read.
#pragma once

#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// Errors are BadFile's words, and name no file: "anchor 'x' is …, must be …".
Status check_metadata(const Program& program, const Metadata& metadata);

}  // namespace tessera
