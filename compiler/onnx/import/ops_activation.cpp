// SPDX-License-Identifier: Apache-2.0
// Activations that the Graph has no op for, said by max, min, select and exp.
#include <cmath>

#include "compiler/onnx/import/op_table.h"

namespace tessera::handlers {
namespace {

Expected<Node*> times(Call& call, Node* x, double factor) {
  return call.add(Op::Mul, {x, TRY(call.like(x, factor))});
}
Expected<Node*> plus(Call& call, Node* x, double added) {
  return call.add(Op::Add, {x, TRY(call.like(x, added))});
}
Expected<Node*> below(Call& call, Node* x, double bound) {
  return call.add(Op::Less, {x, TRY(call.like(x, bound))});
}

// exp(x) - 1, of x that is not above 0: elsewhere exp may be infinite, and times 0 a NaN.
Expected<Node*> exp_less_one(Call& call, Node* x) {
  Node* low = TRY(call.add(Op::Min, {x, TRY(call.like(x, 0))}));
  return plus(call, TRY(call.add(Op::Exp, {low})), -1);
}

// log(1 + u) of u from 0 to 1. Where 1 + u loses bits of u, the quotient gives them back.
Expected<Node*> log_one_plus(Call& call, Node* u) {
  Node* sum = TRY(plus(call, u, 1));
  Node* there = TRY(plus(call, sum, -1));
  Node* lost = TRY(call.add(Op::Equal, {there, TRY(call.like(u, 0))}));
  Node* divisor = TRY(call.add(Op::Select, {lost, TRY(call.like(u, 1)), there}));
  Node* share = TRY(call.add(Op::Div, {u, divisor}));
  Node* log = TRY(call.add(Op::Mul, {TRY(call.add(Op::Log, {sum})), share}));
  return call.add(Op::Select, {lost, u, log});
}

// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), where no exponential is above 1.
Expected<Node*> softplus_of(Call& call, Node* x) {
  Node* away = TRY(times(call, TRY(call.add(Op::Abs, {x})), -1));
  Node* small = TRY(log_one_plus(call, TRY(call.add(Op::Exp, {away}))));
  return call.add(Op::Add, {TRY(call.add(Op::Max, {x, TRY(call.like(x, 0))})), small});
}

Expected<Node*> hard_sigmoid_of(Call& call, double alpha, double beta) {
  Node* line = TRY(plus(call, TRY(times(call, call.in(0), alpha)), beta));
  Node* low = TRY(call.add(Op::Min, {line, TRY(call.like(line, 1))}));
  return call.add(Op::Max, {low, TRY(call.like(line, 0))});
}

}  // namespace

// max(x, 0) + min(alpha (exp(x / alpha) - 1), 0)
Status celu(Call& call) {
  Node* x = call.in(0);
  const double alpha = call.attr("alpha", 1.0);
  Node* zero = TRY(call.like(x, 0));
  Node* scaled = TRY(call.add(Op::Div, {x, TRY(call.like(x, alpha))}));
  Node* power = TRY(times(call, TRY(plus(call, TRY(call.add(Op::Exp, {scaled})), -1)), alpha));
  return call.result(Op::Add,
                     {TRY(call.add(Op::Max, {x, zero})), TRY(call.add(Op::Min, {power, zero}))});
}

Status elu(Call& call) {
  Node* x = call.in(0);
  Node* power = TRY(times(call, TRY(exp_less_one(call, x)), call.attr("alpha", 1.0)));
  return call.result(Op::Select, {TRY(below(call, x, 0)), power, x});
}

Status selu(Call& call) {
  Node* x = call.in(0);
  const double alpha = call.attr("alpha", double{1.67326319217681884765625f});
  const double gamma = call.attr("gamma", double{1.05070102214813232421875f});
  Node* power = TRY(times(call, TRY(exp_less_one(call, x)), alpha));
  Node* bent = TRY(call.add(Op::Select, {TRY(below(call, x, 0)), power, x}));
  return call.result(Op::Mul, {bent, TRY(call.like(x, gamma))});
}

Status hard_sigmoid(Call& call) {
  call.bind(0,
            TRY(hard_sigmoid_of(call, call.attr("alpha", double{0.2f}), call.attr("beta", 0.5))));
  return {};
}

Status hard_swish(Call& call) {
  return call.result(Op::Mul, {call.in(0), TRY(hard_sigmoid_of(call, 1.0 / 6, 0.5))});
}

// With a slope as an attribute (LeakyRelu) or as an operand (PRelu).
Status leaky_relu(Call& call) {
  Node* x = call.in(0);
  Node* slope = call.in(1);
  slope = slope ? TRY(call.broadcast(slope, x->type.shape))
                : TRY(call.like(x, call.attr("alpha", double{0.01f})));
  return call.result(Op::Select, {TRY(below(call, x, 0)), TRY(call.add(Op::Mul, {x, slope})), x});
}

Status mish(Call& call) {
  Node* bent = TRY(call.add(Op::Tanh, {TRY(softplus_of(call, call.in(0)))}));
  return call.result(Op::Mul, {call.in(0), bent});
}

// Moved towards 0 by the bias; 0 within lambd of it.
Status shrink(Call& call) {
  Node* x = call.in(0);
  const double lambd = call.attr("lambd", 0.5), bias = call.attr("bias", 0.0);
  Node* above = TRY(call.add(Op::Less, {TRY(call.like(x, lambd)), x}));
  Node* high = TRY(call.add(Op::Select, {above, TRY(plus(call, x, -bias)), TRY(call.like(x, 0))}));
  return call.result(Op::Select, {TRY(below(call, x, -lambd)), TRY(plus(call, x, bias)), high});
}

Status softplus(Call& call) {
  call.bind(0, TRY(softplus_of(call, call.in(0))));
  return {};
}

Status softsign(Call& call) {
  Node* size = TRY(plus(call, TRY(call.add(Op::Abs, {call.in(0)})), 1));
  return call.result(Op::Div, {call.in(0), size});
}

// x · sigmoid(alpha x)
Status swish(Call& call) {
  Node* x = call.in(0);
  Node* power = TRY(call.add(Op::Exp, {TRY(times(call, x, -call.attr("alpha", 1.0)))}));
  Node* share = TRY(call.add(Op::Div, {TRY(call.like(x, 1)), TRY(plus(call, power, 1))}));
  return call.result(Op::Mul, {x, share});
}

Status thresholded_relu(Call& call) {
  Node* x = call.in(0);
  Node* above = TRY(call.add(Op::Less, {TRY(call.like(x, call.attr("alpha", 1.0))), x}));
  return call.result(Op::Select, {above, x, TRY(call.like(x, 0))});
}

}  // namespace tessera::handlers
