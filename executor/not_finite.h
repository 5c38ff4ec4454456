// SPDX-License-Identifier: Apache-2.0
// Infinities and NaN in the answers of executables that compute in half precision: there a number
// beyond 65504 is infinite, and what is computed with it soon NaN. The only place that counts them;
// whoever hands out answers says so.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "executor/host_arrays.h"
#include "program/popef.h"

namespace tessera {

// The infinities and NaN of one output.
struct NotFinite {
  std::string output;
  int64_t count = 0, of = 0;
  bool operator==(const NotFinite&) const = default;
};

// Whether anything in it is of half precision.
bool computes_in_half(const Executable& executable);

// Adds the output to `found` if it is of floats and some are not finite.
void find_not_finite(const std::string& output, DType dtype, std::span<const std::byte> bytes,
                     std::vector<NotFinite>& found);
std::vector<NotFinite> find_not_finite(const OutputViews& outputs);

// "output 'y': 3 of 8 numbers are not finite; …": what it is and what to do.
std::string to_string(const NotFinite& found);

}  // namespace tessera
