// SPDX-License-Identifier: Apache-2.0
// Short names of the dtypes that tests of codelets write again and again.
#pragma once

#include "support/type.h"

namespace tessera {

using enum DType;

}  // namespace tessera
