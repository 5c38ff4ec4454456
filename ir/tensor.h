// SPDX-License-Identifier: Apache-2.0
// Two ways to hold a tensor's numbers on the host.
//
// A Tensor is bytes with a type: constants and inputs, shared and never written once made, so that
// a Graph copies without copying its weights and a weight may live in a mapped file. An Array is
// what the reference interpreter computes with: every element a double, which holds all our
// element types exactly.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "support/type.h"

namespace tessera {

class Tensor {
 public:
  Tensor() = default;
  // Shares `bytes`; `owner` keeps them alive. bytes.size() must be type.bytes().
  Tensor(TensorType type, std::shared_ptr<const void> owner, std::span<const std::byte> bytes);
  // Copies.
  static Tensor copy(TensorType type, std::span<const std::byte> bytes);

  const TensorType& type() const { return type_; }
  std::span<const std::byte> bytes() const { return bytes_; }
  bool has_data() const { return owner_ != nullptr; }
  // Are all elements the same bytes? Not so of a tensor without elements.
  bool is_uniform() const { return is_uniform_; }
  double first() const;                        // of its elements, where it has some
  bool operator==(const Tensor& other) const;  // same type and same bytes

 private:
  TensorType type_;
  std::shared_ptr<const void> owner_;
  std::span<const std::byte> bytes_;
  bool is_uniform_ = false;  // found once: patterns ask it of a constant at each of its uses
};

struct Array {
  TensorType type;
  std::vector<double> data;  // row-major
};

Array to_array(const Tensor& tensor);
// Rounds each element to the type's dtype (to nearest even, subnormals of f32 to zero; int32
// truncates; bool is != 0).
Tensor to_tensor(const Array& array);
// The values that to_tensor would store.
void round_to_dtype(Array& array);

}  // namespace tessera
