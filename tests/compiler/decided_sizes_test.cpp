// SPDX-License-Identifier: Apache-2.0
#include "compiler/decided_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/convert.h"
#include "tests/compiler/sum_of_words.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

// The sum by 7 at the sizes where `holds` makes "chosen" true of "size", and by 3 elsewhere.
template <class Holds>
std::string why_no_less(const std::string& axis, const Shape& shape, const Holds& holds) {
  ModelBuilder m = sum_of_words("seq", "batch");
  m.floats("seven", {7}, {});
  m.floats("three", {3}, {});
  m.node("Shape", {"input_ids"}, {"shape"}, "shape");
  m.node("Gather", {"shape", axis}, {"size"}, "size");
  holds(m);
  m.node("Where", {"chosen", "seven", "three"}, {"divisor"}, "divisor");
  m.node("Div", {"sum", "divisor"}, {"y"}, "mean");
  m.output("y");
  const TempFolder folder;
  CompileOptions options;
  options.input_shape["input_ids"] = options.input_shape["attention_mask"] = shape;
  const auto converted = convert(m.save(folder), options);
  EXPECT_TRUE(converted.ok()) << converted.error().message;
  return converted.ok() ? converted->packing.why_no_less : "";
}

// 100, 99, 50, 3, 2 and 1 tokens are tried first.
TEST(DecidedSizes, one_length_at_which_a_graph_chooses_otherwise_is_found) {
  const auto is_5 = [](ModelBuilder& m) {
    m.ints("five", {5}, true);
    m.node("Equal", {"size", "five"}, {"chosen"}, "is_5");
  };
  EXPECT_THAT(why_no_less("one", {2, 100}, is_5),
              HasSubstr("made of the row length (3 at 100 tokens, 7 at 5)"));
}

TEST(DecidedSizes, a_range_of_lengths_in_which_a_graph_chooses_otherwise_is_found) {
  const auto is_within = [](ModelBuilder& m) {
    m.ints("least", {60}, true).ints("most", {70}, true);
    m.node("Greater", {"size", "least"}, {"above"}, "above");
    m.node("Less", {"size", "most"}, {"below"}, "below");
    m.node("And", {"above", "below"}, {"chosen"}, "within");
  };
  EXPECT_THAT(why_no_less("one", {2, 100}, is_within), HasSubstr("made of the row length (3 at"));
}

TEST(DecidedSizes, a_remainder_of_the_length_by_which_a_graph_chooses_is_found) {
  const auto of_7 = [](ModelBuilder& m) {
    m.ints("by", {7}, true);
    m.node("Mod", {"size", "by"}, {"rest"}, "rest");
    m.ints("four", {4}, true);
    m.node("Equal", {"rest", "four"}, {"chosen"}, "is_4");
  };
  EXPECT_THAT(why_no_less("one", {2, 40}, of_7), HasSubstr("made of the row length"));
  EXPECT_THAT(why_no_less("one", {2, 401}, of_7),
              HasSubstr("node 'rest': chooses by a number that is made of the row length"));
}

TEST(DecidedSizes, one_number_of_rows_at_which_a_graph_chooses_otherwise_is_found) {
  const auto is_4 = [](ModelBuilder& m) {
    m.ints("four", {4}, true);
    m.node("Equal", {"size", "four"}, {"chosen"}, "is_4");
  };
  EXPECT_THAT(why_no_less("zero", {7, 8}, is_4),
              HasSubstr("made of the number of rows (3 at 7 rows, 7 at 4)"));
}

TEST(DecidedSizes, a_number_that_is_looked_up_by_the_length_is_found) {
  const auto looked_up = [](ModelBuilder& m) {
    std::vector<int64_t> table(17, 0);
    table[5] = 1;
    m.ints("table_of_sizes", table).ints("one_there", {1}, true);
    m.node("Gather", {"table_of_sizes", "size"}, {"found"}, "found");
    m.node("Equal", {"found", "one_there"}, {"chosen"}, "is_5");
  };
  EXPECT_THAT(why_no_less("one", {2, 16}, looked_up), HasSubstr("made of the row length"));
}

// (n - 5) (n - 6) is 0 at two lengths alone.
TEST(DecidedSizes, a_comparison_of_squares_of_the_length_is_followed) {
  const auto square = [](ModelBuilder& m) {
    m.ints("five", {5}, true).ints("six", {6}, true);
    m.node("Sub", {"size", "five"}, {"above_5"}, "above_5");
    m.node("Sub", {"size", "six"}, {"above_6"}, "above_6");
    m.node("Mul", {"above_5", "above_6"}, {"product"}, "product");
    m.node("Greater", {"one", "product"}, {"chosen"}, "chosen");
  };
  EXPECT_THAT(why_no_less("one", {2, 100}, square), HasSubstr("made of the row length (3 at"));
}

// As exporters write the shape of an Expand.
TEST(DecidedSizes, a_size_that_is_compared_with_minus_1_is_of_any_length) {
  const auto is_left_out = [](ModelBuilder& m) {
    m.ints("left_out", {-1}, true);
    m.node("Equal", {"size", "left_out"}, {"chosen"}, "is_left_out");
  };
  EXPECT_EQ(why_no_less("one", {2, 100}, is_left_out), "");
  EXPECT_EQ(why_no_less("zero", {7, 8}, is_left_out), "");
}

}  // namespace
}  // namespace tessera::test
