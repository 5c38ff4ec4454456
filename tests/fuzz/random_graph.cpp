// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/random_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "support/math.h"
#include "tests/fuzz/random_values.h"

namespace tessera::fuzz {
namespace {

using Ints = std::vector<int64_t>;

constexpr Op kOps[] = {
#define OP(id, ...) Op::id,
#include "ir/ops.def"
#undef OP
};

class Generator : private RandomValues {
 public:
  using RandomValues::RandomValues;

  Graph generate(int nodes) {
    values_.push_back(graph_.add_input("x", {
                                                DType::F32, {below(3) + 1, below(6) + 2, 8}
    }));
    values_.push_back(graph_.add_input("y", {
                                                DType::F32, {below(5) + 1, 8}
    }));
    integers_.push_back(graph_.add_input("ids", {
                                                    DType::I32, {below(4) + 1, below(5) + 1}
    }));
    for (int i = 0; i < nodes; ++i) step();
    graph_.outputs.push_back({"out", values_.back()});
    graph_.outputs.push_back({"int_out", integers_.back()});
    graph_.remove_dead();
    return std::move(graph_);
  }

 private:
  void step() {
    Op op = kOps[below(std::size(kOps))];
    while (info(op).max_inputs == 0) op = kOps[below(std::size(kOps))];
    Node* result = make(op, any(values_));
    if (elements(result->type.shape) > 4096) return;
    switch (result->type.dtype) {
      case DType::F32: values_.push_back(result); break;
      case DType::I32: integers_.push_back(result); break;
      case DType::Bool: bools_.push_back(result); break;
      case DType::F16:
      case DType::I8:
      case DType::U8:
      case DType::F143:
      case DType::F152: break;
    }
  }

  // A node of the op, of the value `a` where it can be: by what ir/ops.def says of its elements.
  Node* make(Op op, Node* a) {
    switch (op) {
#define OP(id, text, min, max, elements, ...) \
  case Op::id: return elements(op, a);
#include "ir/ops.def"
#undef OP
    }
    return a;
  }

  Node* input(Op, Node* a) { return a; }
  using RandomValues::constant;
  Node* constant(Op, Node* a) { return a; }

  // `a` has floats, integers or bools, whichever the op takes.
  Node* elementwise(Op op, Node* a) {
    if (op == Op::Quantize) return quantized(a);
    if (op == Op::Dequantize)
      return add(op, {constant(DType::I8, a->type.shape, -9, 9),
                      constant(DType::F32, a->type.shape, 0.01, 0.1),
                      constant(DType::I8, a->type.shape, -9, 9)});
    if (op == Op::ScaledCast) return fp8(constant(DType::F32, a->type.shape, -2, 3));
    std::array<DType, 3> dtypes = {DType::F32, DType::I32, DType::Bool};
    std::shuffle(dtypes.begin(), dtypes.end(), random_);
    for (const DType dtype : dtypes) {
      Node* of = dtype == DType::I32 ? any(integers_) : a;
      std::vector<Node*> in;
      for (int i = 0; i < info(op).min_inputs; ++i) in.push_back(operand(op, i, dtype, of));
      if (op == Op::Select) in[0] = truth(of->type.shape);
      auto node = graph_.add(op, "", std::move(in), attributes(op));
      if (node.ok()) return *node;
    }
    ADD_FAILURE() << info(op).text << " takes none of the operands that are made for it";
    return a;
  }

  std::map<std::string, Attr> attributes(Op op) {
    std::map<std::string, Attr> attrs;
    static const char* const kTypes[] = {"f32", "i32", "bool"};
    for (const AttrSpec& spec : attr_specs(info(op).attrs)) {
      if (spec.name == "to") attrs["to"] = std::string(kTypes[below(3)]);
      if (spec.name == "form") attrs["form"] = std::string(below(2) ? "erf" : "tanh");
    }
    return attrs;
  }

  // Numbers that keep every result small, and exact where a step or a comparison would make much of
  // a last bit.
  Node* operand(Op op, int i, DType dtype, Node* a) {
    static const std::set<Op> kSteps = {Op::Equal, Op::Less, Op::Floor, Op::Round, Op::Cast};
    static const std::set<Op> kOfAnySize = {Op::Add, Op::Sub,   Op::Max,  Op::Min,  Op::Abs,
                                            Op::Erf, Op::ErfV2, Op::Tanh, Op::Gelu, Op::Select};
    const Shape& shape = a->type.shape;
    const bool divisor = op == Op::Div && i == 1;
    if (dtype == DType::Bool) return truth(shape);
    if (dtype == DType::I32) {
      if (divisor || op == Op::Pow) return constant(DType::I32, shape, 1, 4);
      if (op == Op::Mul) return constant(DType::I32, shape, -3, 4);
      return i == 0 ? a : partner(a);
    }
    if (kSteps.contains(op)) return constant(DType::F32, shape, -2, 3);
    if (op == Op::Pow && i == 1) return constant(DType::F32, shape, -1, 1);
    Node* of = i == 0 ? a : partner(a);
    if (divisor || op == Op::Log || op == Op::Sqrt || op == Op::Pow) return above_one(of);
    return kOfAnySize.contains(op) || i > 0 ? of : bounded(of);
  }

  Node* reshape(Op op, Node* a) {
    return add(op,
               {
                   a
    },
               {{"shape", Shape{elements(a->type.shape)}}});
  }

  Node* slice(Op op, Node* a) {
    Ints start, step, size;
    for (int64_t dim : a->type.shape) {
      const int64_t stride = 1 + below(2);
      const int64_t count = 1 + below(ceil_div(dim, stride));
      start.push_back(below(dim - (count - 1) * stride));
      step.push_back(stride);
      size.push_back(count);
    }
    return add(op,
               {
                   a
    },
               {{"start", start}, {"step", step}, {"size", size}});
  }

  Node* transpose(Op op, Node* a) {
    Ints perm(a->type.shape.size());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::shuffle(perm.begin(), perm.end(), random_);
    return add(op,
               {
                   a
    },
               {{"perm", perm}});
  }

  Node* reduce(Op op, Node* a) {
    Ints axes;
    for (size_t i = 0; i < a->type.shape.size(); ++i)
      if (below(2)) axes.push_back(static_cast<int64_t>(i));
    if (axes.empty()) return bounded(a);
    return add(op,
               {
                   bounded(a)
    },
               {{"axes", axes}});
  }

  Node* softmax(Op op, Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    return add(op,
               {
                   bounded(a)
    },
               {{"axis", below(static_cast<int64_t>(a->type.shape.size()))}});
  }
  Node* cumsum(Op op, Node* a) { return softmax(op, a); }

  // Its numbers are exact: a last bit may be a step.
  Node* fp8(Node* exact) {
    return add(Op::ScaledCast,
               {
                   exact
    },
               {{"to", std::string(below(2) ? "f143" : "f152")}, {"scale", below(5) - 2}});
  }

  Node* matmul(Op op, Node* a) {
    if (a->type.shape.size() < 2) return bounded(a);
    const int64_t n = 1 + below(20);
    if (op == Op::MatMulFp8) {
      Node* of = fp8(constant(DType::F32, a->type.shape, -2, 3));
      Node* by = fp8(constant(DType::F32, {a->type.shape.back(), n}, -0.3, 0.3));
      return add(op,
                 {
                     of, by
      },
                 {{"scale", below(5) - 2}});
    }
    Node* weights = constant(DType::F32, {a->type.shape.back(), n}, -0.3, 0.3);
    Node* product = add(op, {bounded(a), weights});
    if (below(2)) return product;
    Node* bias = add(Op::Broadcast,
                     {
                         constant(DType::F32, {n},
                          -1, 1)
    },
                     {{"shape", product->type.shape}});
    return add(Op::Add, {product, bias});
  }

  Node* quantized(Node* a) {
    const Shape& shape = a->type.shape;  // of numbers that are exact: a last bit may be a step
    return add(Op::Quantize,
               {
                   constant(DType::F32, shape, -2, 3), constant(DType::F32, shape, 0.01, 0.1),
                   constant(DType::I8, a->type.shape, -9, 9)
    },
               {{"to", std::string("i8")}});
  }

  // By weights of bytes, with a zero point for each row and column.
  Node* matmul_integer(Op op, Node* a) {
    if (a->type.shape.size() < 2) return bounded(a);
    const int64_t n = 1 + below(20), inner = a->type.shape.back();
    Shape rows = a->type.shape;
    rows.back() = 1;
    return add(op, {quantized(a), constant(DType::I8, {inner, n}, -128, 128),
                    constant(DType::I8, rows, -9, 9), constant(DType::I8, {1, n}, -9, 9)});
  }

  Node* row_ends(Op op, Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    return add(op, {a});
  }

  Node* segment_max(Op op, Node*) {
    Node* x = graph_.inputs[0];
    return add(op, {x, constant(DType::I32, {x->type.shape[0], x->type.shape[1]}, 0, 3)});
  }

  Node* norm(Op op, Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const Shape last = {a->type.shape.back()};
    std::vector<Node*> in = {a, constant(DType::F32, last, 0.5, 1.5)};
    while (in.size() < static_cast<size_t>(info(op).min_inputs))
      in.push_back(constant(DType::F32, last, -1, 1));
    return add(op, std::move(in),
               {
                   {"eps", 0.1}
    });
  }

  // The input x, whose last dimension is 8, as one head, two or four.
  Node* rotary(Op op, Node*) {
    Node* x = graph_.inputs[0];
    const int64_t heads = int64_t{1} << below(3);
    const Shape angles = {below(2) ? 1 : x->type.shape[0], x->type.shape[1], 8 / heads};
    return add(op,
               {
                   x, constant(DType::F32, angles, -1, 1), constant(DType::F32, angles, -1, 1)
    },
               {{"heads", heads}, {"form", std::string(below(2) ? "pairs" : "halves")}});
  }

  Node* concat(Op op, Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const int64_t axis = below(static_cast<int64_t>(a->type.shape.size()));
    return add(op,
               {
                   a, partner(a)
    },
               {{"axis", axis}});
  }

  Node* gather(Op op, Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const int64_t axis = below(static_cast<int64_t>(a->type.shape.size()));
    const int64_t size = a->type.shape[static_cast<size_t>(axis)];
    Node* indices = constant(DType::I32, {1 + below(4)}, 0, static_cast<double>(size));
    return add(op,
               {
                   a, indices
    },
               {{"axis", axis}});
  }

  Node* broadcast(Op op, Node* a) {
    if (a->type.shape.size() >= 4) return bounded(a);
    Shape wider = a->type.shape;
    wider.insert(wider.begin(), 1 + below(3));
    return add(op,
               {
                   a
    },
               {{"shape", wider}});
  }

  // Attention over the input x, whose last dimension is 8: two heads of 4.
  Node* attention(Op op, Node*) {
    Node* x = graph_.inputs[0];
    const auto project = [&] {
      return add(Op::MatMul, {x, constant(DType::F32, {8, 8}, -0.5, 0.5)});
    };
    std::vector<Node*> in = {project(), project(), project()};
    const Shape tokens = {x->type.shape[0], x->type.shape[1]};
    static const char* const kMasks[] = {"none", "keys", "segments", "lengths"};
    std::string mask = kMasks[below(4)];
    if (mask == "keys" || mask == "segments") in.push_back(constant(DType::I32, tokens, 0, 3));
    if (mask == "lengths")
      in.push_back(constant(DType::I32, {tokens[0]}, 0, static_cast<double>(tokens[1]) + 1));
    if (below(2) == 0) {
      mask = mask == "none" ? "bias" : mask + "+bias";
      in.push_back(constant(DType::F32, {1, 2, 1, tokens[1]}, -2, 2));
    }
    if (below(4) == 0) mask += "+guard";
    return add(op, in,
               {
                   {"heads", int64_t{2}},
                   {"scale", 0.5       },
                   {"mask",  mask      }
    });
  }

  // Unpack of x and Pack again.
  Node* packed(Op op, Node*) {
    Node* x = graph_.inputs[0];
    const int64_t rows = x->type.shape[0], length = x->type.shape[1];
    Node* info = constant(DType::I32, {rows, 1}, 0, static_cast<double>(length) + 1);
    Node* unpacked = add(Op::Unpack,
                         {
                             x, info
    },
                         {{"segment_max_size", length}});
    if (op == Op::Unpack) return unpacked;
    return add(Op::Pack,
               {
                   unpacked, info
    },
               {{"rows", rows}, {"row_length", length}});
  }
};

}  // namespace

Graph random_graph(uint32_t seed, int nodes) { return Generator(seed).generate(nodes); }

std::map<std::string, Array> random_inputs(const Graph& graph, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> real(-2, 2);
  std::map<std::string, Array> inputs;
  for (const Node* node : graph.inputs) {
    Array array{node->type, std::vector<double>(static_cast<size_t>(elements(node->type.shape)))};
    for (double& value : array.data)
      value = node->type.dtype == DType::I32 ? static_cast<double>(random() % 7) - 3 : real(random);
    round_to_dtype(array);
    inputs.emplace(node->name, std::move(array));
  }
  return inputs;
}

}  // namespace tessera::fuzz
