// SPDX-License-Identifier: Apache-2.0
#include "passes/normalized.h"

#include <cmath>

#include "passes/match.h"

namespace tessera {
namespace {

Shape row_shape(Shape shape) {
  shape.back() = 1;
  return shape;
}

// The [rows…,1] value that this one repeats along the last axis of `shape`.
Node* row_value(Node* node, const Shape& shape) {
  if (!node->is(Op::Broadcast) || node->type.shape != shape) return nullptr;
  return node->in[0]->type.shape == row_shape(shape) ? node->in[0] : nullptr;
}

bool only_adds_last_axis(const Node* node) {
  if (!node->is(Op::Reshape)) return false;
  Shape squeezed = node->type.shape;
  if (squeezed.empty() || squeezed.back() != 1) return false;
  squeezed.pop_back();
  return node->in[0]->type.shape == squeezed;
}

// The value whose mean over the last axis this [rows…,1] value is.
Node* argument_of_mean(Node* node) {
  double scale = 1;
  for (int i = 0; !node->is(Op::ReduceSum); ++i) {
    if (i == kFarthest) return nullptr;
    const Scaled scaled = peel_scale(node);
    if (scaled.value != node) {
      scale *= scaled.scale;
      node = scaled.value;
    } else if (only_adds_last_axis(node)) {
      node = node->in[0];
    } else {
      return nullptr;
    }
  }
  const Shape& shape = node->in[0]->type.shape;
  const int64_t last = static_cast<int64_t>(shape.size()) - 1;
  if (node->ints("axes") != std::vector{last}) return nullptr;
  const double exact = 1.0 / static_cast<double>(shape.back());
  const double rounding = node->type.dtype == DType::F16 ? 4.9e-4 : 1e-6;
  return close(scale, exact, rounding) ? node->in[0] : nullptr;
}

}  // namespace

bool is_mean_of(Node* node, const Node* x) {
  Node* row = row_value(node, x->type.shape);
  return row && argument_of_mean(row) == x;
}

namespace {

Node* argument_of_square(Node* node) {
  if (node->is(Op::Mul) && node->in[0] == node->in[1]) return node->in[0];
  if (node->is(Op::Pow) && splat(node->in[1]) == 2.0) return node->in[0];
  return nullptr;
}

Node* argument_of_root(Node* node) {
  if (node->is(Op::Sqrt)) return node->in[0];
  return node->is(Op::Pow) && splat(node->in[1]) == 0.5 ? node->in[0] : nullptr;
}

Node* argument_of_reciprocal_root(Node* node) {
  if (node->is(Op::Div) && splat(node->in[0]) == 1.0) return argument_of_root(node->in[1]);
  return node->is(Op::Pow) && splat(node->in[1]) == -0.5 ? node->in[0] : nullptr;
}

// The parts of mean(v²) + eps. In f16 an eps of 1e-12 is 0, and folded away.
struct MeanSquare {
  Node* of = nullptr;
  double eps = 0;
};

std::optional<MeanSquare> match_mean_square(Node* sum) {
  if (!sum) return std::nullopt;
  double eps = 0;
  Node* mean = sum;
  if (sum->is(Op::Add)) {
    const auto is_eps = [&](Node* in) {
      eps = splat(in).value_or(-1);
      return eps >= 0 && std::isfinite(eps);
    };
    mean = other_operand(sum, is_eps);
  }
  Node* square = mean ? argument_of_mean(mean) : nullptr;
  Node* of = square ? argument_of_square(square) : nullptr;
  if (!of) return std::nullopt;
  return MeanSquare{of, eps};
}

}  // namespace

std::optional<Normalized> match_normalized(Node* node) {
  const Factors product = product_of(node);
  if (product.scale != 1) return std::nullopt;
  const Shape& shape = node->type.shape;
  Normalized found;
  std::optional<MeanSquare> square;
  for (Node* factor : product.factors) {
    Node* row = row_value(factor, shape);
    Node* divisor = factor->is(Op::Div) ? row_value(factor->in[1], shape) : nullptr;
    if (auto times = match_mean_square(row ? argument_of_reciprocal_root(row) : nullptr);
        times && !square) {
      square = times;
    } else if (auto by = match_mean_square(divisor ? argument_of_root(divisor) : nullptr);
               by && !square && !found.rest) {
      square = by;
      found.rest = factor->in[0];
    } else if (Node* vector = row ? nullptr : repeated_vector(factor); vector && !found.gamma) {
      found.gamma = vector;
    } else if (!found.rest) {
      found.rest = factor;
    } else {
      return std::nullopt;
    }
  }
  if (!square || !found.rest) return std::nullopt;
  found.squared = square->of;
  found.eps = square->eps;
  return found;
}

bool may_put_rows(PassState& state, int64_t lacking, const TensorType& x) {
  constexpr int64_t kMostBytes = int64_t{1} << 28;
  const int64_t bytes = lacking * x.shape.back() * size_of(x.dtype);
  if (state.row_bytes + bytes > kMostBytes) return false;
  state.row_bytes += bytes;
  return true;
}

Node* put_row(Graph& graph, Node* before, Node* given, double otherwise, const TensorType& x) {
  const Shape shape = {x.shape.back()};
  if (given) return put_reshape(graph, before, given, shape);
  const std::vector<double> numbers(shape[0], otherwise);
  return graph.add_constant("",
                            to_tensor({
                                {x.dtype, shape},
                                numbers
  }),
                            before);
}

}  // namespace tessera
