// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/random_graph.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace tessera::fuzz {
namespace {

using Ints = std::vector<int64_t>;

class Generator {
 public:
  explicit Generator(uint32_t seed) : random_(seed), graph_("fuzz") {}

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
  int64_t below(int64_t limit) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit));
  }
  Node* any(const std::vector<Node*>& from) {
    return from[static_cast<size_t>(below(static_cast<int64_t>(from.size())))];
  }

  Node* add(Op op, std::vector<Node*> in, std::map<std::string, Attr> attrs = {}) {
    auto node = graph_.add(op, "", std::move(in), std::move(attrs));
    EXPECT_TRUE(node.ok()) << node.error().message;
    return node.ok() ? *node : values_.front();
  }

  Node* constant(DType dtype, const Shape& shape, double low, double high) {
    Array array{
        {dtype, shape},
        std::vector<double>(static_cast<size_t>(elements(shape)))
    };
    std::uniform_real_distribution<double> draw(low, high);
    for (double& value : array.data)
      value = dtype == DType::I32 ? std::floor(draw(random_)) : draw(random_);
    return graph_.add_constant("", to_tensor(array));
  }

  // Something of the same type as `like`: a value that has it, or a constant stretched to it.
  Node* partner(Node* like) {
    const std::vector<Node*>& pool = like->type.dtype == DType::I32 ? integers_ : values_;
    std::vector<Node*> same;
    for (Node* node : pool)
      if (node->type == like->type) same.push_back(node);
    if (below(2) && !same.empty()) return any(same);
    Shape narrow = like->type.shape;
    for (int64_t& dim : narrow)
      if (below(2)) dim = 1;
    Node* small = constant(like->type.dtype, narrow, -2, 3);
    return add(Op::Broadcast,
               {
                   small
    },
               {{"shape", like->type.shape}});
  }

  Node* bounded(Node* node) { return add(Op::Tanh, {node}); }

  void step() {
    if (below(6) == 0) return integer_step();
    Node* a = any(values_);
    Node* result = nullptr;
    switch (below(24)) {
      case 0: result = add(Op::Add, {a, partner(a)}); break;
      case 1: result = add(Op::Sub, {a, partner(a)}); break;
      case 2: result = add(Op::Mul, {bounded(a), partner(a)}); break;
      case 3: result = add(Op::Max, {a, partner(a)}); break;
      case 4: result = add(Op::Min, {a, partner(a)}); break;
      case 5: result = add(Op::Exp, {bounded(a)}); break;
      case 6: result = add(Op::Erf, {a}); break;
      case 7:
        result = add(Op::Gelu,
                     {
                         a
        },
                     {{"form", std::string(below(2) ? "erf" : "tanh")}});
        break;
      case 8: result = positive_step(a); break;
      case 9: result = slice(a); break;
      case 10: result = transpose(a); break;
      case 11:
        result = add(Op::Reshape,
                     {
                         a
        },
                     {{"shape", Shape{elements(a->type.shape)}}});
        break;
      case 12: result = reduce(a); break;
      case 13: result = scan(a); break;
      case 14: result = linear(a); break;
      case 15: result = layer_norm(a); break;
      case 16: result = concat(a); break;
      case 17: result = gather(a); break;
      case 18: result = select(a); break;
      case 19: result = stretch(a); break;
      case 20: result = attention(a); break;
      case 21: result = repack(); break;
      case 22: result = rms_norm(a); break;
      case 23: result = rotary(); break;
    }
    if (elements(result->type.shape) <= 4096) values_.push_back(result);
  }

  Node* positive_step(Node* a) {
    Node* one = add(Op::Broadcast,
                    {
                        constant(DType::F32, {},
                         1, 1.5)
    },
                    {{"shape", a->type.shape}});
    Node* positive = add(Op::Add, {add(Op::Abs, {a}), one});
    switch (below(4)) {
      case 0: return add(Op::Sqrt, {positive});
      case 1: return add(Op::Log, {positive});
      case 2:
        return add(Op::Pow, {
                                positive, add(Op::Broadcast, {constant(DType::F32, {}, -1, 1)},
                                              {{"shape", a->type.shape}}
                                  )
        });
      default: return add(Op::Div, {a, positive});
    }
  }

  Node* slice(Node* a) {
    Ints start, step, size;
    for (int64_t dim : a->type.shape) {
      const int64_t stride = 1 + below(2);
      const int64_t count = 1 + below((dim + stride - 1) / stride);
      start.push_back(below(dim - (count - 1) * stride));
      step.push_back(stride);
      size.push_back(count);
    }
    return add(Op::Slice,
               {
                   a
    },
               {{"start", start}, {"step", step}, {"size", size}});
  }

  Node* transpose(Node* a) {
    Ints perm(a->type.shape.size());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::shuffle(perm.begin(), perm.end(), random_);
    return add(Op::Transpose,
               {
                   a
    },
               {{"perm", perm}});
  }

  Node* reduce(Node* a) {
    Ints axes;
    for (size_t i = 0; i < a->type.shape.size(); ++i)
      if (below(2)) axes.push_back(static_cast<int64_t>(i));
    if (axes.empty()) return bounded(a);
    return add(below(2) ? Op::ReduceSum : Op::ReduceMax,
               {
                   bounded(a)
    },
               {{"axes", axes}});
  }

  Node* scan(Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const int64_t axis = below(static_cast<int64_t>(a->type.shape.size()));
    return below(2) ? add(Op::Softmax,
                          {
                              a
    },
                          {{"axis", axis}})
                    : add(Op::CumSum, {bounded(a)}, {{"axis", axis}});
  }

  Node* linear(Node* a) {
    if (a->type.shape.size() < 2) return bounded(a);
    const int64_t n = 1 + below(20);
    Node* weights = constant(DType::F32, {a->type.shape.back(), n}, -0.3, 0.3);
    Node* product = add(Op::MatMul, {bounded(a), weights});
    if (below(2)) return product;
    Node* bias = add(Op::Broadcast,
                     {
                         constant(DType::F32, {n},
                          -1, 1)
    },
                     {{"shape", product->type.shape}});
    return add(Op::Add, {product, bias});
  }

  Node* layer_norm(Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const Shape last = {a->type.shape.back()};
    return add(Op::LayerNorm,
               {
                   a, constant(DType::F32, last, 0.5, 1.5), constant(DType::F32, last, -1, 1)
    },
               {{"eps", 0.1}});
  }

  Node* rms_norm(Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    return add(Op::RmsNorm,
               {
                   a, constant(DType::F32, {a->type.shape.back()},
                     0.5, 1.5)
    },
               {{"eps", 0.1}});
  }

  // The input x, whose last dimension is 8, as one head, two or four.
  Node* rotary() {
    Node* x = graph_.inputs[0];
    const int64_t heads = int64_t{1} << below(3);
    const Shape angles = {below(2) ? 1 : x->type.shape[0], x->type.shape[1], 8 / heads};
    return add(Op::Rotary,
               {
                   x, constant(DType::F32, angles, -1, 1), constant(DType::F32, angles, -1, 1)
    },
               {{"heads", heads}, {"form", std::string(below(2) ? "pairs" : "halves")}});
  }

  Node* concat(Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const int64_t axis = below(static_cast<int64_t>(a->type.shape.size()));
    return add(Op::Concat,
               {
                   a, partner(a)
    },
               {{"axis", axis}});
  }

  Node* gather(Node* a) {
    if (a->type.shape.empty()) return bounded(a);
    const int64_t axis = below(static_cast<int64_t>(a->type.shape.size()));
    const int64_t size = a->type.shape[static_cast<size_t>(axis)];
    Node* indices = constant(DType::I32, {1 + below(4)}, 0, static_cast<double>(size));
    return add(Op::Gather,
               {
                   a, indices
    },
               {{"axis", axis}});
  }

  Node* select(Node* a) {
    Node* condition = add(Op::Less, {constant(DType::I32, a->type.shape, -5, 5),
                                     constant(DType::I32, a->type.shape, -5, 5)});
    return add(Op::Select, {condition, a, partner(a)});
  }

  Node* stretch(Node* a) {
    if (a->type.shape.size() >= 4) return bounded(a);
    Shape wider = a->type.shape;
    wider.insert(wider.begin(), 1 + below(3));
    return add(Op::Broadcast,
               {
                   a
    },
               {{"shape", wider}});
  }

  // Attention over the input x, whose last dimension is 8: two heads of 4.
  Node* attention(Node*) {
    Node* x = graph_.inputs[0];
    const auto project = [&] {
      return add(Op::MatMul, {x, constant(DType::F32, {8, 8}, -0.5, 0.5)});
    };
    std::vector<Node*> in = {project(), project(), project()};
    const Shape tokens = {x->type.shape[0], x->type.shape[1]};
    static const char* const kMasks[] = {"none", "keys", "segments", "lengths", "bias"};
    const std::string mask = kMasks[below(5)];
    if (mask == "keys" || mask == "segments") in.push_back(constant(DType::I32, tokens, 0, 3));
    if (mask == "lengths")
      in.push_back(constant(DType::I32, {tokens[0]}, 0, static_cast<double>(tokens[1]) + 1));
    if (mask == "bias") in.push_back(constant(DType::F32, {1, 2, 1, tokens[1]}, -2, 2));
    return add(Op::Attention, in,
               {
                   {"heads", int64_t{2}},
                   {"scale", 0.5       },
                   {"mask",  mask      }
    });
  }

  // Unpack of x and Pack again.
  Node* repack() {
    Node* x = graph_.inputs[0];
    const int64_t rows = x->type.shape[0], length = x->type.shape[1];
    Node* info = constant(DType::I32, {rows, 1}, 0, static_cast<double>(length) + 1);
    Node* unpacked = add(Op::Unpack,
                         {
                             x, info
    },
                         {{"segment_max_size", length}});
    if (below(2)) return unpacked;
    return add(Op::Pack,
               {
                   unpacked, info
    },
               {{"rows", rows}, {"row_length", length}});
  }

  void integer_step() {
    Node* a = any(integers_);
    Node* b = partner(a);
    switch (below(6)) {
      case 0: integers_.push_back(add(Op::Add, {a, b})); break;
      case 1: integers_.push_back(add(Op::Max, {a, b})); break;
      case 2: integers_.push_back(add(Op::Min, {a, b})); break;
      case 3: integers_.push_back(add(Op::Select, {add(Op::Equal, {a, b}), a, b})); break;
      case 4: {
        Node* less = add(Op::Less, {a, b});
        Node* both = add(Op::And, {less, add(Op::Not, {add(Op::Equal, {a, b})})});
        integers_.push_back(add(Op::Cast,
                                {
                                    both
        },
                                {{"to", std::string("i32")}}));
        break;
      }
      case 5:
        values_.push_back(add(Op::Cast,
                              {
                                  a
        },
                              {{"to", std::string("f32")}}));
        break;
    }
  }

  std::mt19937 random_;
  Graph graph_;
  std::vector<Node*> values_;    // f32
  std::vector<Node*> integers_;  // i32
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
