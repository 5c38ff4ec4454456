// SPDX-License-Identifier: Apache-2.0
// A batch on the host as arrays by tensor name: drawn at random, and as the views that a runner
// takes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "executor/host_arrays.h"
#include "program/popef.h"
#include "support/expected.h"
#include "support/npy.h"

namespace tessera {

// Every input, seeded: i32 below the anchor's limit (1 where there is none: masks), floats in
// [-1, 1).
std::map<std::string, NpyArray> random_inputs(const Metadata& metadata, uint64_t seed);
// Space for every output, in the machine's dtype.
std::map<std::string, NpyArray> empty_outputs(const Metadata& metadata);

// The arrays must live as long as their views. Error: a dtype that no runner takes.
Expected<InputViews> input_views(const std::map<std::string, NpyArray>& arrays);
Expected<OutputViews> output_views(std::map<std::string, NpyArray>& arrays);

// Element `index` of an array of this type.
double number_at(std::span<const std::byte> bytes, DType dtype, size_t index);

}  // namespace tessera
