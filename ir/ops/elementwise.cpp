// SPDX-License-Identifier: Apache-2.0
// The elementwise ops: element i of the result depends on elements i of the operands.
//
// Shapes must already agree: a broadcast is a node of its own, so that no later stage has to ask
// which side was stretched. Types agree too: a cast is a node of its own, and is where a value
// loses bits.
#include <cmath>
#include <numbers>

#include "ir/ops/ops.h"

namespace tessera::ops {
namespace {

// The element types that an op takes.
enum class Takes { Floats, Numbers, Bools, Anything };

bool takes(Takes what, DType dtype) {
  switch (what) {
    case Takes::Floats: return is_float(dtype);
    case Takes::Numbers: return is_float(dtype) || dtype == DType::I32;
    case Takes::Bools: return dtype == DType::Bool;
    case Takes::Anything: return true;
  }
  return false;
}

const char* words(Takes what) {
  switch (what) {
    case Takes::Floats: return "f32 or f16";
    case Takes::Numbers: return "f32, f16 or i32";
    case Takes::Bools: return "bool";
    case Takes::Anything: return "any";
  }
  return "";
}

// The type that all operands have, which must be one that the op takes.
Expected<TensorType> common_type(const Node& node, Takes what) {
  const TensorType& first = node.in[0]->type;
  for (const Node* operand : node.in)
    if (operand->type != first)
      return fail(node, "inputs are " + to_string(first) + " and " + to_string(operand->type) +
                            ", which must be equal");
  if (!takes(what, first.dtype))
    return fail(node, "input is " + to_string(first) + ", its elements must be " + words(what));
  return first;
}

Expected<TensorType> compared_type(const Node& node, Takes what) {
  const TensorType operands = TRY(common_type(node, what));
  return TensorType{DType::Bool, operands.shape};
}

template <class F>
Array map(const Node& node, std::span<const Array> in, F f) {
  Array out = zeros(node);
  for (size_t i = 0; i < out.data.size(); ++i) {
    if constexpr (std::is_invocable_v<F, double, double>) {
      out.data[i] = f(in[0].data[i], in[1].data[i]);
    } else {
      out.data[i] = f(in[0].data[i]);
    }
  }
  return out;
}

// NaN if either is: std::max would drop one of them.
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }
double smaller(double a, double b) { return a < b || std::isnan(a) ? a : b; }

double gelu_erf(double x) {
  return x == -HUGE_VAL ? 0 : 0.5 * x * std::erfc(-x / std::numbers::sqrt2);  // 0 is the limit
}
double gelu_tanh(double x) {
  const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1 + std::tanh(inner));
}

}  // namespace

#define ELEMENTWISE(id, type_of, what, function)                                          \
  Expected<TensorType> id::infer(const Node& node) { return type_of(node, Takes::what); } \
  Expected<Array> id::eval(const Node& node, std::span<const Array> in) {                 \
    return map(node, in, function);                                                       \
  }
ELEMENTWISE(Add, common_type, Numbers, [](double a, double b) { return a + b; })
ELEMENTWISE(Sub, common_type, Numbers, [](double a, double b) { return a - b; })
ELEMENTWISE(Mul, common_type, Numbers, [](double a, double b) { return a * b; })
ELEMENTWISE(Pow, common_type, Numbers, [](double a, double b) { return std::pow(a, b); })
ELEMENTWISE(Max, common_type, Numbers, larger)
ELEMENTWISE(Min, common_type, Numbers, smaller)
ELEMENTWISE(Equal, compared_type, Anything, [](double a, double b) { return a == b ? 1.0 : 0.0; })
ELEMENTWISE(Less, compared_type, Numbers, [](double a, double b) { return a < b ? 1.0 : 0.0; })
ELEMENTWISE(And, common_type, Bools, [](double a, double b) { return a * b; })
ELEMENTWISE(Not, common_type, Bools, [](double a) { return 1 - a; })
ELEMENTWISE(Abs, common_type, Numbers, [](double a) { return std::abs(a); })
ELEMENTWISE(Exp, common_type, Floats, [](double a) { return std::exp(a); })
ELEMENTWISE(Log, common_type, Floats, [](double a) { return std::log(a); })
ELEMENTWISE(Sqrt, common_type, Floats, [](double a) { return std::sqrt(a); })
ELEMENTWISE(Floor, common_type, Floats, [](double a) { return std::floor(a); })
ELEMENTWISE(Round, common_type, Floats, [](double a) { return std::nearbyint(a); })
ELEMENTWISE(Erf, common_type, Floats, [](double a) { return std::erf(a); })
ELEMENTWISE(ErfV2, common_type, Floats, [](double a) { return std::erf(a); })
ELEMENTWISE(Tanh, common_type, Floats, [](double a) { return std::tanh(a); })
ELEMENTWISE(Sin, common_type, Floats, [](double a) { return std::sin(a); })
ELEMENTWISE(Cos, common_type, Floats, [](double a) { return std::cos(a); })
#undef ELEMENTWISE

Expected<TensorType> Div::infer(const Node& node) { return common_type(node, Takes::Numbers); }

// A quotient of integers is cut off towards zero, as the rounding to i32 does.
Expected<Array> Div::eval(const Node& node, std::span<const Array> in) {
  if (node.type.dtype == DType::I32)
    for (size_t i = 0; i < in[1].data.size(); ++i)
      if (in[1].data[i] == 0)
        return fail(node, "element " + std::to_string(i) + " divides an integer by 0");
  return map(node, in, [](double a, double b) { return a / b; });
}

Expected<TensorType> Select::infer(const Node& node) {
  const TensorType& condition = node.in[0]->type;
  const TensorType& a = node.in[1]->type;
  const TensorType& b = node.in[2]->type;
  if (a != b)
    return fail(node,
                "choices are " + to_string(a) + " and " + to_string(b) + ", which must be equal");
  const TensorType wanted{DType::Bool, a.shape};
  if (condition != wanted)
    return fail(node, "condition is " + to_string(condition) + ", must be " + to_string(wanted));
  return a;
}

Expected<Array> Select::eval(const Node& node, std::span<const Array> in) {
  Array out = zeros(node);
  for (size_t i = 0; i < out.data.size(); ++i)
    out.data[i] = in[0].data[i] != 0 ? in[1].data[i] : in[2].data[i];
  return out;
}

Expected<TensorType> Cast::infer(const Node& node) {
  const std::optional<DType> to = parse_dtype(node.string_attr("to"));
  if (!to)
    return fail(node, "to is \"" + node.string_attr("to") +
                          "\", must be f32, f16, i32, bool, i8, u8, f143 or f152");
  return TensorType{*to, node.in[0]->type.shape};
}

Expected<Array> Cast::eval(const Node& node, std::span<const Array> in) {
  return Array{node.type, in[0].data};
}

Expected<TensorType> Gelu::infer(const Node& node) {
  const std::string& form = node.string_attr("form");
  if (form != "erf" && form != "tanh")
    return fail(node, "form is \"" + form + "\", must be erf or tanh");
  return common_type(node, Takes::Floats);
}

Expected<Array> Gelu::eval(const Node& node, std::span<const Array> in) {
  return map(node, in, node.string_attr("form") == "erf" ? gelu_erf : gelu_tanh);
}

}  // namespace tessera::ops
