// SPDX-License-Identifier: Apache-2.0
// Samples of what a model will be given, in batches of its shapes: what a quantization is
// calibrated with and measured by.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "check/cases.h"
#include "check/reference.h"
#include "compiler/options.h"
#include "ir/graph.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/npy.h"

namespace tessera {

// Arrays by input, in one of two forms. A request has [length] by token input, or [length,k] where
// a token has k numbers. Rows have the shapes of the model, with any number of rows in front. A
// request may leave out every token input but the ids, as requests do.
struct Sample {
  std::string name;  // for errors
  Arrays arrays;
};

// As numbers. Errors: `where`: a type that is not a number of NumPy's.
Expected<Array> array_of(const NpyArray& npy, const std::string& where);

// The shapes that hold these samples, where the model leaves them open and `asked` does not say:
// four rows at most, of the longest sample's tokens. Without samples four rows of 32.
Expected<InputShapes> shapes_for(const std::string& model_path, const InputShapes& asked,
                                 std::span<const Sample> samples, const Limits& limits);

// One batch. Padding, and rows that no sample has, are copies or zeros that the mask hides.
struct SampleBatch {
  Arrays inputs;
  std::vector<bool> used;  // by cell [rows,length], of models of tokens; empty: all of the batch
};

// Every sample stands in one batch; where rows are left over in a model that is not one of tokens,
// the last batch has some of the batch before. Errors name the sample: an input that the model does
// not have or that is missing, a shape that does not fit, other lengths than the ids'.
Expected<std::vector<SampleBatch>> batches_of(const Graph& graph, const TokenInputs& inputs,
                                              std::span<const Sample> samples);
// Seeded: requests of 1 token to a whole row; of a model that is not one of tokens, two batches.
std::vector<SampleBatch> random_batches(const Graph& graph, const TokenInputs& inputs,
                                        int64_t requests, uint64_t seed);

// Whether element `i` of a value of this shape belongs to a sample: by cells where the value begins
// with [rows,length] or [rows*length], by rows where it begins with [rows].
class UsedElements {
 public:
  UsedElements(const SampleBatch& batch, const TokenInputs& inputs, const Shape& shape);
  bool operator()(int64_t i) const {
    return used_.empty() || used_[static_cast<size_t>(i / elements_each_)];
  }

 private:
  std::vector<bool> used_;  // of neighbouring elements; empty: all are
  int64_t elements_each_ = 1;
};

}  // namespace tessera
