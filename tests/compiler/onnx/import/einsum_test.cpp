// SPDX-License-Identifier: Apache-2.0
// Einsum against its definition: for each choice of an index for every letter, the product of the
// operands' elements is added to one of the result.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "tests/compiler/onnx/import/one_node.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

struct EinsumCase {
  std::string equation;
  std::vector<Shape> shapes;
  // The same with a letter for every axis of an ellipsis, and its result told.
  std::string spelled;
};

void PrintTo(const EinsumCase& one, std::ostream* out) { *out << one.equation; }

ModelBuilder einsum(const std::string& equation, const std::vector<Operand>& operands) {
  ModelBuilder m = one_node("Einsum", 12, operands, {});
  auto& attribute = *m.graph().mutable_node(0)->add_attribute();
  attribute.set_name("equation");
  attribute.set_type(::onnx::AttributeProto::STRING);
  attribute.set_s(equation);
  return m;
}

std::vector<Operand> operands_of(const std::vector<Shape>& shapes) {
  std::vector<Operand> operands;
  for (size_t i = 0; i < shapes.size(); ++i)
    operands.push_back({"x" + std::to_string(i), kFloat, shapes[i]});
  return operands;
}

std::vector<std::string> terms_of(const std::string& spelled) {
  std::vector<std::string> terms(1);
  for (const char c : spelled.substr(0, spelled.find("->"))) {
    if (c == ',')
      terms.emplace_back();
    else
      terms.back() += c;
  }
  return terms;
}

// An axis of size 1 holds one element for all.
size_t place(const std::string& labels, const Shape& shape, const std::map<char, int64_t>& at) {
  int64_t index = 0;
  for (size_t i = 0; i < labels.size(); ++i)
    index = index * shape[i] + (shape[i] == 1 ? 0 : at.at(labels[i]));
  return static_cast<size_t>(index);
}

std::vector<double> by_definition(const EinsumCase& one, const std::map<std::string, Array>& in) {
  const std::vector<std::string> terms = terms_of(one.spelled);
  const std::string out = one.spelled.substr(one.spelled.find("->") + 2);
  std::map<char, int64_t> sizes, at;
  for (size_t i = 0; i < terms.size(); ++i)
    for (size_t d = 0; d < terms[i].size(); ++d)
      sizes[terms[i][d]] = std::max(sizes[terms[i][d]], one.shapes[i][d]);
  Shape shape;
  for (const char letter : out) shape.push_back(sizes[letter]);
  std::vector<double> sums(static_cast<size_t>(elements(shape)), 0.0);
  for (const auto& [letter, size] : sizes) at[letter] = 0;
  while (true) {
    double product = 1;
    for (size_t i = 0; i < terms.size(); ++i)
      product *= in.at("x" + std::to_string(i)).data[place(terms[i], one.shapes[i], at)];
    sums[place(out, shape, at)] += product;
    auto letter = at.begin();
    for (; letter != at.end() && ++letter->second == sizes[letter->first]; ++letter)
      letter->second = 0;
    if (letter == at.end()) return sums;
  }
}

class EinsumTest : public ::testing::TestWithParam<EinsumCase> {};

TEST_P(EinsumTest, is_what_its_equation_says) {
  const EinsumCase& one = GetParam();
  const std::vector<Operand> operands = operands_of(one.shapes);
  const auto in = values_of(operands);
  const std::vector<double> expected = by_definition(one, in);
  const std::vector<Array> results = run(einsum(one.equation, operands), in);
  ASSERT_EQ(results.size(), 1u);
  const std::vector<double>& got = results[0].data;
  expect_near(got, expected);
}

// "8_bij_bjk_to_bik"; names hold no signs, and the same letters may stand with others.
std::string name_of(const ::testing::TestParamInfo<EinsumCase>& info) {
  std::string name = std::to_string(info.index) + "_" + info.param.spelled;
  for (size_t at; (at = name.find("->")) != std::string::npos;) name.replace(at, 2, "_to_");
  std::ranges::replace(name, ',', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    , EinsumTest,
    ::testing::Values(
        EinsumCase{
            "bij,bjk->bik", {{2, 3, 4}, {2, 4, 5}},
             "bij,bjk->bik"
},
        EinsumCase{"ij->ji", {{2, 3}}, "ij->ji"},
        EinsumCase{"bi, cb", {{2, 3}, {4, 2}}, "bi,cb->ci"},
        EinsumCase{"...j,jk->...k", {{2, 3, 4}, {4, 5}}, "abj,jk->abk"},
        EinsumCase{"...ij,...jk->...ik", {{2, 1, 3, 4}, {5, 4, 2}}, "abij,bjk->abik"},
        EinsumCase{"...ij,...jk", {{1, 3, 4}, {5, 4, 2}}, "bij,bjk->bik"},
        EinsumCase{"b...i->...b", {{2, 3, 4, 5}}, "baci->acb"},
        EinsumCase{"...,...", {{3, 4}, {4}}, "ab,b->ab"},
        EinsumCase{"...i,...i->", {{2, 3}, {2, 3}}, "ai,ai->"},
        EinsumCase{"i,j,k->kji", {{2}, {3}, {4}}, "i,j,k->kji"},
        EinsumCase{"bld,hd,lk->bhk", {{2, 3, 4}, {5, 4}, {3, 2}}, "bld,hd,lk->bhk"},
        EinsumCase{"...a,ab,bc,c->...", {{2, 3}, {3, 4}, {4, 2}, {2}}, "xa,ab,bc,c->x"}),
    name_of);

// Time and memory that grow with the square of the operands would end this test.
TEST(Einsum, takes_many_operands) {
  constexpr size_t kOperands = 20'000;
  std::string equation = "i";
  for (size_t i = 1; i < kOperands; ++i) equation += ",i";
  ModelBuilder m = einsum(equation + "->", operands_of({{2}}));
  for (size_t i = 1; i < kOperands; ++i) m.graph().mutable_node(0)->add_input("x0");
  const TempFolder folder;
  const auto model = import_onnx(m.save(folder), {});
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto is_product = [](const auto& node) { return node->is(Op::MatMul); };
  EXPECT_EQ(std::ranges::count_if(model->graph.nodes(), is_product), kOperands - 1);
}

TEST(Einsum, refuses_what_no_contraction_is) {
  const auto refusal = [](const std::string& equation, const std::vector<Shape>& shapes) {
    return imported(einsum(equation, operands_of(shapes)));
  };
  EXPECT_THAT(refusal("ii->i",
                      {
                          {2, 2}
  }),
              HasSubstr("each letter once an operand"));
  EXPECT_THAT(refusal("ij,jk->ix",
                      {
                          {2, 3},
                          {3, 2}
  }),
              HasSubstr("letters of its inputs"));
  EXPECT_THAT(refusal("ij->ij",
                      {
                          {2, 3},
                          {3, 2}
  }),
              HasSubstr("a term for each input"));
  EXPECT_THAT(refusal("ij,jk->ik",
                      {
                          {2, 3, 4},
                          {3, 2}
  }),
              HasSubstr("a letter for each axis"));
  EXPECT_THAT(refusal("...ijk->i",
                      {
                          {2, 3}
  }),
              HasSubstr("a letter for each axis"));
  EXPECT_THAT(refusal("i.j->ij",
                      {
                          {2, 3}
  }),
              HasSubstr("be of letters"));
  EXPECT_THAT(refusal("ij,jk->ik",
                      {
                          {2, 3},
                          {4, 2}
  }),
              HasSubstr("sizes must be equal"));
}

}  // namespace
}  // namespace tessera::test
