// SPDX-License-Identifier: Apache-2.0
// Einsum: sums over letters that stand alone, then operand after operand a batched matmul, which
// any contraction of two is once their axes are put in order.
#include <algorithm>
#include <array>
#include <cctype>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/model_file.h"

namespace tessera::handlers {
namespace {

constexpr std::string_view kEllipsis = "...";

// "bhd,hd->bh" taken apart, a letter for each axis; the axes of an ellipsis have letters of their
// own.
struct Equation {
  std::vector<std::string> in;
  std::string out;
};

// A value and the letters of its axes.
struct Labelled {
  Node* node = nullptr;
  std::string labels;
};

// A number for each letter.
class ByLetter {
 public:
  int64_t& operator[](char label) { return numbers_[static_cast<unsigned char>(label)]; }
  int64_t operator[](char label) const { return numbers_[static_cast<unsigned char>(label)]; }
  // Adds `times` to each of these letters.
  void count(const std::string& labels, int64_t times = 1) {
    for (const char label : labels) (*this)[label] += times;
  }

 private:
  std::array<int64_t, 256> numbers_{};
};

bool each_once(std::string labels) {
  std::sort(labels.begin(), labels.end());
  return std::adjacent_find(labels.begin(), labels.end()) == labels.end();
}

// An equation without "->" gives the axes of its ellipsis, then the letters that it has once, in
// the alphabet's order.
std::string implied_out(const ByLetter& terms, const std::string& ellipsis) {
  std::string out;
  for (int code = 0; code < 128; ++code) {
    const char label = static_cast<char>(code);
    if (terms[label] == 1 && ellipsis.find(label) == ellipsis.npos) out += label;
  }
  return ellipsis + out;
}

// As many letters that the equation does not have; fewer where there are none left.
std::string free_letters(const std::string& text, size_t count) {
  std::string letters;
  for (int code = 0; code < 128 && letters.size() < count; ++code)
    if (std::isalpha(code) != 0 && text.find(static_cast<char>(code)) == text.npos)
      letters += static_cast<char>(code);
  return letters;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> terms(1);
  for (const char c : text) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

// The number of the operand's axes that its ellipsis stands for. A later check refuses a term with
// more letters than axes.
size_t ellipsis_axes(const std::string& term, int64_t rank) {
  if (term.find(kEllipsis) == term.npos) return 0;
  return static_cast<size_t>(std::max<int64_t>(rank + std::ssize(kEllipsis) - std::ssize(term), 0));
}

void spell_ellipsis(std::string& term, const std::string& letters) {
  if (const size_t at = term.find(kEllipsis); at != term.npos)
    term.replace(at, kEllipsis.size(), letters);
}

bool are_letters(const std::string& term) {
  return std::all_of(term.begin(), term.end(),
                     [](unsigned char c) { return std::isalpha(c) != 0; });
}

Expected<Equation> parse_equation(Call& call) {
  std::string text = call.attr("equation", "");
  std::erase(text, ' ');
  const size_t arrow = text.find("->");
  Equation equation{split(text.substr(0, arrow)), ""};
  const auto wrong = [&](const char* must) {
    return call.error("equation is '" + printable(text) + "', must " + must);
  };
  if (call.inputs() != equation.in.size()) return wrong("have a term for each input");
  size_t axes = 0;
  for (size_t i = 0; i < equation.in.size(); ++i)
    axes = std::max(axes, ellipsis_axes(equation.in[i], call.rank(i)));
  const std::string letters = free_letters(text, axes);
  if (letters.size() < axes) return wrong("leave letters for the axes of its ellipsis");
  ByLetter terms;
  for (size_t i = 0; i < equation.in.size(); ++i) {
    std::string& term = equation.in[i];
    const size_t own = ellipsis_axes(term, call.rank(i));
    spell_ellipsis(term, letters.substr(axes - own));
    if (!are_letters(term) || !each_once(term))
      return wrong("be of letters, as 'bij,bjk->bik', each letter once an operand");
    if (static_cast<size_t>(call.rank(i)) != term.size())
      return wrong("have a letter for each axis of its inputs");
    terms.count(term);
  }
  equation.out = arrow == text.npos ? implied_out(terms, letters) : text.substr(arrow + 2);
  spell_ellipsis(equation.out, letters);
  const auto is_of_inputs = [&](char label) { return terms[label] > 0; };
  if (!std::ranges::all_of(equation.out, is_of_inputs) || !each_once(equation.out))
    return wrong("have letters of its inputs in its result, each once");
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
Status sum_out(Call& call, Labelled& x, const ByLetter& elsewhere) {
  std::vector<int64_t> axes;
  std::string kept;
  for (size_t i = 0; i < x.labels.size(); ++i) {
    if (elsewhere[x.labels[i]] == 0)
      axes.push_back(static_cast<int64_t>(i));
    else
      kept += x.labels[i];
  }
  if (axes.empty()) return {};
  x = {TRY(call.add(Op::ReduceSum, {x.node}, with("axes", axes))), kept};
  return {};
}

// Axes of one element that are longer in another operand stretch to it: they and their letters go.
Status drop_stretched(Call& call, std::vector<Labelled>& operands) {
  ByLetter longer;  // operands where the axis is not of one element
  for (const Labelled& x : operands)
    for (size_t i = 0; i < x.labels.size(); ++i) longer[x.labels[i]] += x.node->type.shape[i] != 1;
  for (Labelled& x : operands) {
    std::string kept;
    Shape shape;
    for (size_t i = 0; i < x.labels.size(); ++i) {
      const int64_t size = x.node->type.shape[i];
      if (size == 1 && longer[x.labels[i]] > 0) continue;
      kept += x.labels[i];
      shape.push_back(size);
    }
    if (kept == x.labels) continue;
    x = {TRY(call.reshape(x.node, shape)), kept};
  }
  return {};
}

// [batch, rows, inner] x [batch, inner, columns]: every letter is one of these, and those that are
// `wanted` somewhere are left.
Expected<Labelled> contract(Call& call, const Labelled& left, const Labelled& right,
                            const ByLetter& wanted) {
  std::string batch, inner, rows, columns;
  for (const char label : left.labels) {
    const bool in_right = right.labels.find(label) != std::string::npos;
    const bool is_wanted = wanted[label] > 0;
    (in_right ? (is_wanted ? batch : inner) : rows) += label;
  }
  for (const char label : right.labels)
    if (left.labels.find(label) == std::string::npos) columns += label;
  Node *a = left.node, *b = right.node;
  const Shape batches = sizes_of(a, left.labels, batch), sums = sizes_of(a, left.labels, inner);
  const Shape tall = sizes_of(a, left.labels, rows), wide = sizes_of(b, right.labels, columns);
  if (batches != sizes_of(b, right.labels, batch) || sums != sizes_of(b, right.labels, inner))
    return call.error("inputs are " + to_string(a->type) + " and " + to_string(b->type) +
                      ", whose sizes must be equal where letters are");
  a = TRY(call.transpose(a, order_of(left.labels, batch + rows + inner)));
  b = TRY(call.transpose(b, order_of(right.labels, batch + inner + columns)));
  a = TRY(call.reshape(a, {elements(batches), elements(tall), elements(sums)}));
  b = TRY(call.reshape(b, {elements(batches), elements(sums), elements(wide)}));
  Node* product = TRY(call.add(Op::MatMul, {a, b}));
  Shape shape = batches;
  shape.insert(shape.end(), tall.begin(), tall.end());
  shape.insert(shape.end(), wide.begin(), wide.end());
  return Labelled{TRY(call.reshape(product, shape)), batch + rows + columns};
}

}  // namespace

Status einsum(Call& call) {
  TRY(call.all_in());
  const Equation equation = TRY(parse_equation(call));
  std::vector<Labelled> operands;
  for (size_t i = 0; i < equation.in.size(); ++i) operands.push_back({call.in(i), equation.in[i]});
  TRY(drop_stretched(call, operands));
  // How many of the result and of the operands that are not yet taken have each letter.
  ByLetter elsewhere;
  elsewhere.count(equation.out);
  for (const Labelled& x : operands) elsewhere.count(x.labels);
  for (Labelled& x : operands) {
    elsewhere.count(x.labels, -1);
    TRY(sum_out(call, x, elsewhere));
    elsewhere.count(x.labels);
  }
  Labelled result = operands[0];
  elsewhere.count(result.labels, -1);
  for (size_t i = 1; i < operands.size(); ++i) {
    elsewhere.count(operands[i].labels, -1);
    result = TRY(contract(call, result, operands[i], elsewhere));
    TRY(sum_out(call, result, elsewhere));
  }
  call.bind(0, TRY(call.transpose(result.node, order_of(result.labels, equation.out))));
  return {};
}

}  // namespace tessera::handlers
