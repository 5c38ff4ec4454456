// SPDX-License-Identifier: Apache-2.0
// A matmul of f16 by a constant weight multiplies floats of 8 bits: the weight becomes codes, and
// what it multiplies is cast on the way. Or the weight alone is stored so, and becomes f16 again
// before it is multiplied.
//
// Weights fill most of a tile, so half of their bytes is room for a larger batch; and the matrix
// unit takes twice as many products of fp8 in a cycle. Convolutions are matmuls by now. Products of
// two activations stay in f16: nothing is saved by storing them.
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <tuple>

#include "passes/fp8_matmuls.h"
#include "passes/match.h"
#include "passes/passes.h"

namespace tessera {

bool is_by_weight(const Node& node) {
  return node.is(Op::MatMul) && node.type.dtype == DType::F16 && node.in[1]->is(Op::Constant) &&
         node.in[1]->value.has_data();
}

std::vector<std::string> names_of(const Graph& graph, const Node& matmul) {
  std::vector<std::string> names = matmul.origin;
  for (const Output& output : graph.outputs)
    if (output.node == &matmul) names.push_back(output.name);
  names.push_back(matmul.name);
  return names;
}

namespace {

class ToFp8 {
 public:
  ToFp8(Graph& graph, PassState& state) : graph_(graph), state_(state) {}

  Expected<bool> run() {
    std::vector<Node*> found;
    for (const auto& node : graph_.nodes())
      if (is_by_weight(*node) && !stays(*node)) found.push_back(node.get());
    for (Node* matmul : found) TRY(change(matmul));
    warn(found.empty());
    return !found.empty();
  }

 private:
  bool stays(const Node& matmul) {
    bool stays = false;
    for (const std::string& name : names_of(graph_, matmul))
      if (state_.options.fp8_skip.contains(name)) {
        found_.insert(name);
        stays = true;
      }
    return stays;
  }

  Fp8Params params_of(const Node& matmul) {
    Fp8Params params = state_.options.fp8_params;
    for (const std::string& name : names_of(graph_, matmul)) {
      const auto own = state_.options.fp8_by_name.find(name);
      if (own == state_.options.fp8_by_name.end()) continue;
      found_.insert(name);
      params = own->second;
    }
    return params;
  }

  Status change(Node* matmul) {
    const Fp8Params is = params_of(*matmul);
    Node* codes = TRY(codes_of(matmul->in[1], is.weight, is.weight_scale));
    if (state_.options.fp8_weights_alone) {
      graph_.set_operand(matmul, 1, cast(matmul, codes, DType::F16, is.weight_scale));
      return {};
    }
    Node* input = matmul->in[0];
    Node*& narrow = casts_[{input, is.input, is.input_scale}];
    if (!narrow) narrow = cast(matmul, input, is.input, -is.input_scale);
    graph_.replace_uses(matmul, put(graph_, matmul, matmul, Op::MatMulFp8,
                                    {
                                        narrow, codes
    },
                                    {{"scale", is.input_scale + is.weight_scale}}));
    return {};
  }

  Node* cast(Node* matmul, Node* value, DType to, int64_t scale) {
    return put(graph_, matmul, matmul, Op::ScaledCast,
               {
                   value
    },
               {{"to", std::string(to_string(to))}, {"scale", scale}});
  }

  Expected<Node*> codes_of(Node* weight, DType format, int64_t scale) {
    Node*& made = codes_[{weight, format, scale}];
    if (made) return made;
    const TensorType type{format, weight->type.shape};
    TRY(make_bytes(state_, type.bytes()));
    std::vector<std::byte> codes(static_cast<size_t>(type.bytes()));
    for (size_t i = 0; i < codes.size(); ++i) {
      const double value = element(weight->value, static_cast<int64_t>(i));
      codes[i] = std::byte{to_fp8(format, std::ldexp(value, -static_cast<int>(scale)))};
    }
    made = graph_.add_constant(weight->name, Tensor::copy(type, codes), weight);
    return made;
  }

  void warn(bool found_none) {
    for (const std::string& name : state_.options.fp8_skip) warn_of("fp8_skip_op_names", name);
    for (const auto& [name, params] : state_.options.fp8_by_name) warn_of("fp8_op_params", name);
    if (found_none)
      state_.warnings.push_back(
          "precision: no matmul of fp16 by weights is there, so nothing is fp8");
  }

  void warn_of(const char* option, const std::string& name) {
    if (found_.contains(name)) return;
    state_.warnings.push_back(fmt::format(
        "{}: '{}' is not a matmul of fp16 by weights after the passes, so it says nothing", option,
        name));
  }

  using Key = std::tuple<const Node*, DType, int64_t>;
  Graph& graph_;
  PassState& state_;
  std::map<Key, Node*> codes_, casts_;  // found by key alone, never walked through
  std::set<std::string> found_;         // of the options' names
};

}  // namespace

Expected<bool> float_to_fp8(Graph& graph, PassState& state) { return ToFp8(graph, state).run(); }

}  // namespace tessera
