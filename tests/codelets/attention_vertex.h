// SPDX-License-Identifier: Apache-2.0
// Vertices of attention, and their answers in doubles.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/codelets/dtypes.h"
#include "tests/codelets/vertex_runner.h"

namespace tessera {

enum Mask { kNone, kKeys, kSegments, kLengths, kBias, kKeysBias, kSegmentsBias, kLengthsBias };
inline constexpr int kGuard = 8;

inline std::vector<Param> params(Mask mask, double scale = 0.3) {
  return {
      {"scale", {scale}       },
      {"mask",  {double(mask)}}
  };
}

struct Qkv {
  VertexArray q, k, v;
};

inline Qkv random_qkv(std::mt19937& random, Shape q, int64_t s, DType dtype = F32) {
  const Shape keys = {q[0], s, q[2], q[3]};
  return {random_array(dtype, q, random, 2), random_array(dtype, keys, random, 2),
          random_array(dtype, keys, random)};
}

// The number that is added to a score; minus infinity where the key is not seen.
using Added = std::function<double(int64_t b, int64_t h, int64_t r, int64_t s)>;

inline std::vector<double> attention_of(const Qkv& is, const Added& added, double scale = 0.3) {
  const Shape& q = is.q.size;
  const int64_t keys = is.k.size[1];
  std::vector<double> out;
  for (int64_t b = 0; b < q[0]; ++b) {
    for (int64_t r = 0; r < q[1]; ++r) {
      for (int64_t h = 0; h < q[2]; ++h) {
        std::vector<double> weight(static_cast<size_t>(keys));
        double total = 0;
        for (int64_t s = 0; s < keys; ++s) {
          double score = 0;
          for (int64_t d = 0; d < q[3]; ++d) score += is.q.at({b, r, h, d}) * is.k.at({b, s, h, d});
          total += weight[size_t(s)] = std::exp(score * scale + added(b, h, r, s));
        }
        for (int64_t d = 0; d < q[3]; ++d) {
          double sum = 0;
          for (int64_t s = 0; s < keys; ++s) sum += weight[size_t(s)] * is.v.at({b, s, h, d});
          out.push_back(total == 0 ? 0 : sum / total);
        }
      }
    }
  }
  return out;
}

inline double seen(bool is) { return is ? 0 : -INFINITY; }
inline double all(int64_t, int64_t, int64_t, int64_t) { return 0; }

inline VertexArray attend(const Qkv& is, Mask mask, std::vector<VertexArray> masks, DType out = F32,
                          const std::string& cpu = "") {
  std::vector<VertexArray> operands = {is.q, is.k, is.v};
  for (VertexArray& array : masks) operands.push_back(std::move(array));
  operands.push_back(output(out, is.q.size));
  return run_vertex("attention", params(mask), operands, cpu)[0];
}

}  // namespace tessera
