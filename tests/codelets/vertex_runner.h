// SPDX-License-Identifier: Apache-2.0
// Runs one vertex of a codelet as the machine does: check, specialise, run. Arrays hold
// their elements as doubles for the test's own arithmetic, and as bytes of their dtype, with
// gaps between rows if asked for, for the vertex.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "codelets/codelet.h"
#include "executor/jit.h"

namespace tessera {

struct VertexArray {
  DType dtype = DType::F32;
  Shape size;
  std::vector<double> values;  // row-major, without gaps; rounded to dtype
  bool writes = false;
  Shape stride = {};     // in elements; empty: row-major
  int64_t misalign = 0;  // elements before the first
  std::vector<int64_t> begin = {};

  double& at(std::initializer_list<int64_t> index);
  double at(std::initializer_list<int64_t> index) const;
};

VertexArray array(DType dtype, Shape size, std::vector<double> values);
VertexArray random_array(DType dtype, Shape size, std::mt19937& random, double scale = 1);
VertexArray ints(Shape size, std::vector<int32_t> values);
VertexArray output(DType dtype, Shape size);
// The same elements with rows that are further apart and begin off any alignment.
VertexArray with_gaps(VertexArray array, int64_t gap, int64_t misalign);

double rounded(DType dtype, double value);

// The vertex's written operands, in order. Fails the test if check refuses, or if an element
// outside the written boxes has changed. `cpu` as JitOptions'.
std::vector<VertexArray> run_vertex(const std::string& codelet, const std::vector<Param>& params,
                                    std::vector<VertexArray> operands, const std::string& cpu = "");

VertexShape shape_of(const std::vector<Param>& params, const std::vector<VertexArray>& operands);
// The message of check, "" if it accepts.
std::string refusal(const std::string& codelet, const std::vector<Param>& params,
                    const std::vector<VertexArray>& operands);

// |is - want| <= tolerance * (1 + |want|) everywhere.
void expect_close(const VertexArray& is, const std::vector<double>& want, double tolerance);

}  // namespace tessera
