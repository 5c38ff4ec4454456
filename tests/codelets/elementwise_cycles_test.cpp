// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "tests/codelets/tapes.h"

namespace tessera {
namespace {

// --- Cycles ---

uint64_t cycles(const std::vector<Param>& params, const std::vector<VertexArray>& operands) {
  return find_codelet("elementwise")->cycles(shape_of(params, operands), Target{}).value;
}

TEST(Elementwise, cycles_are_a_prologue_and_each_workers_vectors) {
  const VertexArray half = output(DType::F16, {100}), single = output(DType::F32, {100});
  // 17 elements a worker: 5 vectors of 4 halves, 9 of 2 floats.
  EXPECT_EQ(cycles(tape({
                       {Tape::Add, 0, 1}
  }),
                   {half, half, half}),
            11u + 6 * (26 + 5 * 3));
  EXPECT_EQ(cycles(tape({
                       {Tape::Add, 0, 1}
  }),
                   {single, single, single}),
            11u + 6 * (29 + 9 * 3));
  EXPECT_EQ(cycles(tape({
                       {Tape::Add, 0, 0},
                       {Tape::Exp, 1}
  }),
                   {half, half}),
            2 * 11u + 6 * (2 * 26 + 5 * (3 + 4)) + 250);  // two compute sets
  // A half beside floats is converted: one issue for two elements, in a compute set of its own.
  EXPECT_EQ(cycles(tape({
                       {Tape::Add, 0, 1}
  }),
                   {half, single, single}),
            2 * 11u + 6 * (2 * 29 + 9 * (3 + 1)) + 250);
  // A cast alone is a conversion and nothing else.
  EXPECT_EQ(cycles(tape({
                       {Tape::Select, 0, 0, 0}
  }),
                   {half, single}),
            11u + 6 * (29 + 9 * 1));
  EXPECT_EQ(cycles(tape({}), {half, single}), 11u + 6 * (29 + 9 * 1));
}

TEST(Elementwise, an_operand_that_is_one_value_for_all_is_loaded_once) {
  const VertexArray half = output(DType::F16, {100}), single = output(DType::F32, {100});
  const std::vector<Param> divided = tape(
      {
          {Tape::Div, 0, 1}
  },
      {1.5});
  EXPECT_EQ(cycles(divided, {half, half}), 11u + 6 * (26 + 5 * 16));
  EXPECT_EQ(cycles(divided, {single, single}), 11u + 6 * (29 + 9 * 6));
  const std::vector<Param> added = tape(
      {
          {Tape::Add, 1, 0}
  },
      {1.5});
  EXPECT_EQ(cycles(added, {half, half}), 11u + 6 * (26 + 5 * 2));
}

TEST(Elementwise, a_power_costs_a_call_an_element_but_where_it_is_another_operation) {
  const VertexArray half = output(DType::F16, {100}), single = output(DType::F32, {100});
  const auto raised = [&](double exponent, const VertexArray& values) {
    return cycles(tape(
                      {
                          {Tape::Pow, 0, 1}
    },
                      {exponent}),
                  {values, values});
  };
  EXPECT_EQ(raised(2.5, half), 11u + 6 * (26 + 5 * 1300));
  EXPECT_EQ(raised(2.5, single), 11u + 6 * (29 + 9 * 624));
  // A cube, as PopRT left it before 1.1.0.
  const VertexArray large = output(DType::F16, {8193});
  EXPECT_EQ(raised(3, large), 11u + 6 * (26 + 342 * 1300));
  EXPECT_EQ(raised(3, half), 11u + 6 * (26 + 5 * 216));
  EXPECT_EQ(raised(3, single), 11u + 6 * (29 + 9 * 104));
  EXPECT_EQ(raised(2, half), 11u + 6 * (26 + 5 * 2));
  EXPECT_EQ(raised(0.5, single), 11u + 6 * (29 + 9 * 10));
  EXPECT_EQ(cycles(tape({
                       {Tape::Pow, 0, 1}
  }),
                   {half, half, half}),
            11u + 6 * (26 + 5 * 1300));
}

TEST(Elementwise, a_square_is_cheaper_than_a_product_and_erf_v2_than_erf) {
  const VertexArray half = output(DType::F16, {100});
  const auto spent = [&](Tape opcode, double second) {
    const std::vector<VertexArray> operands(3, half);
    return cycles(
        {
            {"domain",    {0}                                        },
            {"tape",      {static_cast<double>(opcode), 0, second, 0}},
            {"constants", {}                                         }
    },
        operands);
  };
  EXPECT_EQ(spent(Tape::Mul, 0), 11u + 6 * (26 + 5 * 2));
  EXPECT_EQ(spent(Tape::Mul, 1), 11u + 6 * (26 + 5 * 3));
  EXPECT_EQ(spent(Tape::ErfV2, 0), 11u + 6 * (26 + 5 * 8));
  EXPECT_GT(spent(Tape::Erf, 0), 6000u);
}

}  // namespace
}  // namespace tessera
