// SPDX-License-Identifier: Apache-2.0
// The range of a constant.
#pragma once

#include "passes/value_range.h"

namespace tessera {

// The range of all finite elements; infinities and NaN are the same in every float. A constant
// without data may hold whatever weights do.
ValueRange range_of(const Tensor& tensor);

}  // namespace tessera
