// SPDX-License-Identifier: Apache-2.0
// Biases of attention that say the same wherever in a row a request stands.
#pragma once

#include <optional>

#include "ir/tensor.h"

namespace tessera {

// A bias [1,heads or 1,queries or 1,keys or 1] that gives every query the weights that `bias` gives
// it, and is a number of the distance between key and query; nothing where there is none. Weights
// do not notice a number that is added to all keys of a query. So a bias by the place of the key
// alone may be one by distance: ALiBi of Bloom and MPT, slope * place.
// `bias` hides no token from itself.
std::optional<Array> bias_by_distance(const Array& bias);

}  // namespace tessera
