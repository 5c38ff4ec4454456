// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/epilogue.h"

namespace tessera {

struct MatMulConstants {
  Element a, b;
  EpilogueConstants end;
};

}  // namespace tessera
