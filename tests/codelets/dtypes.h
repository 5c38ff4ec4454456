// SPDX-License-Identifier: Apache-2.0
// Short names of the dtypes that tests of codelets write again and again.
#pragma once

#include "support/type.h"

namespace tessera {

inline constexpr DType F32 = DType::F32, F16 = DType::F16, I32 = DType::I32;

}  // namespace tessera
