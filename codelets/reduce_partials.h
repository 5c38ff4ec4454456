// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "codelets/epilogue.h"

namespace tessera {

struct ReducePartialsConstants {
  Element partials;
  EpilogueConstants end;
};

}  // namespace tessera
