// SPDX-License-Identifier: Apache-2.0
// Einsum of one operand or two: sums over letters that stand alone, then one batched matmul, which
// any contraction of two operands is once their axes are put in order.
#include <algorithm>
#include <cctype>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/model_file.h"

namespace tessera::handlers {
namespace {

// "bhd,hd->bh" taken apart.
struct Equation {
  std::string left, right, out;
};

bool each_once(std::string labels) {
  std::sort(labels.begin(), labels.end());
  return std::all_of(labels.begin(), labels.end(),
                     [](unsigned char c) { return std::isalpha(c) != 0; }) &&
         std::adjacent_find(labels.begin(), labels.end()) == labels.end();
}

// What an equation without "->" means: the letters that stand once, in the alphabet's order.
std::string implied_out(const std::string& labels) {
  std::string out;
  for (const char label : labels)
    if (std::count(labels.begin(), labels.end(), label) == 1) out += label;
  std::sort(out.begin(), out.end());
  return out;
}

Expected<Equation> parse_equation(Call& call) {
  std::string text = call.attr("equation", "");
  std::erase(text, ' ');
  const size_t arrow = text.find("->");
  const std::string operands = text.substr(0, arrow);
  const size_t comma = operands.find(',');
  const bool two = comma != std::string::npos;
  Equation equation{operands.substr(0, comma), two ? operands.substr(comma + 1) : "", ""};
  const std::string labels = equation.left + equation.right;
  equation.out = arrow == std::string::npos ? implied_out(labels) : text.substr(arrow + 2);
  const bool known = equation.out.find_first_not_of(labels) == std::string::npos;
  if (!known || !each_once(equation.left) || !each_once(equation.right) || !each_once(equation.out))
    return call.error("equation is '" + printable(text) +
                      "', must be of one or two operands by letters, as 'bij,bjk->bik', each " +
                      "letter once an operand");
  if (call.inputs() != (two ? 2u : 1u) ||
      static_cast<size_t>(call.rank(0)) != equation.left.size() ||
      (two && static_cast<size_t>(call.rank(1)) != equation.right.size()))
    return call.error("equation is '" + text + "', must have a letter for each axis of its inputs");
  return equation;
}

std::vector<int64_t> order_of(const std::string& from, const std::string& to) {
  std::vector<int64_t> perm;
  for (const char label : to) perm.push_back(static_cast<int64_t>(from.find(label)));
  return perm;
}

Shape sizes_of(const Node* x, const std::string& labels, const std::string& wanted) {
  Shape sizes;
  for (const char label : wanted) sizes.push_back(x->type.shape[labels.find(label)]);
  return sizes;
}

// Sums over the axes whose letters stand nowhere else, and drops those letters.
Expected<Node*> sum_out(Call& call, Node* x, std::string& labels, const std::string& elsewhere) {
  std::vector<int64_t> axes;
  std::string kept;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (elsewhere.find(labels[i]) == std::string::npos)
      axes.push_back(static_cast<int64_t>(i));
    else
      kept += labels[i];
  }
  labels = kept;
  return axes.empty() ? x : call.add(Op::ReduceSum, {x}, with("axes", axes));
}

// [batch, rows, inner] x [batch, inner, columns]: every letter is one of these.
Expected<Node*> contract(Call& call, const Equation& e, Node* a, Node* b) {
  std::string batch, inner, rows, columns;
  for (const char label : e.left) {
    const bool in_right = e.right.find(label) != std::string::npos;
    const bool in_out = e.out.find(label) != std::string::npos;
    (in_right ? (in_out ? batch : inner) : rows) += label;
  }
  for (const char label : e.right)
    if (e.left.find(label) == std::string::npos) columns += label;
  const Shape batches = sizes_of(a, e.left, batch), sums = sizes_of(a, e.left, inner);
  const Shape tall = sizes_of(a, e.left, rows), wide = sizes_of(b, e.right, columns);
  if (batches != sizes_of(b, e.right, batch) || sums != sizes_of(b, e.right, inner))
    return call.error("inputs are " + to_string(a->type) + " and " + to_string(b->type) +
                      ", whose sizes must be equal where letters are");
  a = TRY(call.transpose(a, order_of(e.left, batch + rows + inner)));
  b = TRY(call.transpose(b, order_of(e.right, batch + inner + columns)));
  a = TRY(call.reshape(a, {elements(batches), elements(tall), elements(sums)}));
  b = TRY(call.reshape(b, {elements(batches), elements(sums), elements(wide)}));
  Node* product = TRY(call.add(Op::MatMul, {a, b}));
  Shape shape = batches;
  shape.insert(shape.end(), tall.begin(), tall.end());
  shape.insert(shape.end(), wide.begin(), wide.end());
  product = TRY(call.reshape(product, shape));
  return call.transpose(product, order_of(batch + rows + columns, e.out));
}

}  // namespace

Status einsum(Call& call) {
  Equation equation = TRY(parse_equation(call));
  Node* a = TRY(sum_out(call, call.in(0), equation.left, equation.right + equation.out));
  if (!call.in(1)) {
    call.bind(0, TRY(call.transpose(a, order_of(equation.left, equation.out))));
    return {};
  }
  Node* b = TRY(sum_out(call, call.in(1), equation.right, equation.left + equation.out));
  call.bind(0, TRY(contract(call, equation, a, b)));
  return {};
}

}  // namespace tessera::handlers
