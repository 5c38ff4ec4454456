// SPDX-License-Identifier: Apache-2.0
// A caller's arrays, which a runner reads and writes and the caller owns; and the infinities and
// NaN in answers of executables that compute in half precision: there a number beyond 65504 is
// infinite, and what is computed with it soon NaN. Whoever hands out answers says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "support/type.h"

namespace tessera {

struct Executable;  // program/popef.h

// A caller's array: dtype as the anchor's, or int64 (`wide`) or bool where the anchor is i32, or
// float32 where the anchor is f16 (`wide`): converted with range checks. Row-major, contiguous.
// A view holds no memory of its own: the caller's bytes must live until the call that takes them
// has returned; for an asynchronous call, until its future is ready or its callback is called.
struct InputView {
  DType dtype;
  bool wide = false;  // int64 in place of i32, float32 in place of f16
  Shape shape;
  std::span<const std::byte> bytes;
};
struct OutputView {
  DType dtype;
  Shape shape;
  std::span<std::byte> bytes;
};
using InputViews = std::map<std::string, InputView>;
using OutputViews = std::map<std::string, OutputView>;

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
