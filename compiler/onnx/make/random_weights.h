// SPDX-License-Identifier: Apache-2.0
// Weights by the million, the same bits on every host.
//
// Element i of a tensor comes from splitmix64 of a key and i alone, so that a tensor's values
// depend neither on the others nor on the order of writing. Four 16-bit parts of that number add up
// to nearly a normal distribution (its tails end at 3.46 deviations, as initializers' truncated
// ones do), with integer arithmetic up to the last two roundings and no call into a maths library.
#pragma once

#include <cstdint>
#include <string>

#include "support/file.h"

namespace tessera {

struct Distribution {
  double mean = 0;
  double deviation = 1;
};

// `count` floats into the sink. `name` and `seed` make the key.
Status write_random(const Sink& sink, const std::string& name, uint64_t seed, int64_t count,
                    const Distribution& distribution);

}  // namespace tessera
