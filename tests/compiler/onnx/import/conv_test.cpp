// SPDX-License-Identifier: Apache-2.0
// Convolutions: the answers, the form in the Graph and what is refused. ONNX's node tests have the
// plain cases.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tests/compiler/onnx/import/windows.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int32_t kFloat = TensorProto::FLOAT;

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

struct Windows {
  Shape image, kernel;
  int64_t groups = 1;
  Ints strides, pads, dilations;
};

ModelBuilder conv_of(const Windows& w, bool bias = true) {
  ModelBuilder m;
  m.input("x", kFloat, dims_of(w.image)).output("y");
  floats(m, "w", w.kernel, 1);
  floats(m, "b", {w.kernel[0]}, 2);
  auto& node = m.node("Conv", bias ? Names{"x", "w", "b"} : Names{"x", "w"}, {"y"});
  set_attribute(node, "group", w.groups);
  set_attribute(node, "strides", w.strides);
  set_attribute(node, "pads", w.pads);
  set_attribute(node, "dilations", w.dilations);
  return m;
}

// One element of the result, by the definition. Images have two axes.
double convolved(const Windows& w, const std::vector<double>& x, int64_t n, int64_t out,
                 const Ints& place) {
  const auto kernel = numbers(w.kernel, 1);
  const int64_t inputs = w.kernel[1], group = out / (w.kernel[0] / w.groups);
  double sum = numbers({w.kernel[0]}, 2)[static_cast<size_t>(out)];
  for (int64_t c = 0; c < inputs; ++c)
    for (int64_t i = 0; i < w.kernel[2]; ++i)
      for (int64_t j = 0; j < w.kernel[3]; ++j) {
        const int64_t row = place[0] * w.strides[0] + i * w.dilations[0] - w.pads[0];
        const int64_t column = place[1] * w.strides[1] + j * w.dilations[1] - w.pads[1];
        if (row < 0 || column < 0 || row >= w.image[2] || column >= w.image[3]) continue;
        const int64_t channel = n * w.image[1] + group * inputs + c;
        const int64_t at = (channel * w.image[2] + row) * w.image[3] + column;
        const int64_t weight = ((out * inputs + c) * w.kernel[2] + i) * w.kernel[3] + j;
        sum += x[static_cast<size_t>(at)] * kernel[static_cast<size_t>(weight)];
      }
  return sum;
}

std::vector<double> convolved(const Windows& w, const std::vector<double>& x) {
  Ints counts;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t reach = (w.kernel[i + 2] - 1) * w.dilations[i] + 1;
    counts.push_back((w.image[i + 2] + w.pads[i] + w.pads[i + 2] - reach) / w.strides[i] + 1);
  }
  std::vector<double> y;
  for (int64_t n = 0; n < w.image[0]; ++n)
    for (int64_t out = 0; out < w.kernel[0]; ++out)
      for (int64_t i = 0; i < counts[0]; ++i)
        for (int64_t j = 0; j < counts[1]; ++j) y.push_back(convolved(w, x, n, out, {i, j}));
  return y;
}

TEST(Conv, is_what_its_definition_says) {
  const std::vector<Windows> cases = {
      {{2, 3, 5, 6}, {4, 3, 3, 2}, 1, {1, 1}, {1, 0, 1, 1}, {1, 1}}, // overlapping
      {{2, 3, 9, 7}, {4, 3, 3, 2}, 1, {2, 3}, {0, 2, 1, 0}, {1, 1}},
      {{1, 2, 9, 9}, {3, 2, 3, 3}, 1, {2, 1}, {2, 2, 2, 2}, {2, 3}}, // with holes
      {{1, 2, 9, 9}, {3, 2, 4, 6}, 1, {2, 4}, {1, 1, 0, 0}, {1, 1}}, // in blocks
      {{2, 1, 8, 8}, {3, 1, 4, 4}, 1, {4, 4}, {0, 0, 0, 0}, {1, 1}}, // patches
      {{2, 1, 9, 7}, {3, 1, 4, 4}, 1, {4, 4}, {0, 0, 0, 0}, {1, 1}}, // that leave something over
      {{1, 2, 6, 6}, {3, 2, 2, 2}, 1, {3, 4}, {0, 0, 0, 0}, {1, 1}}, // with gaps
      {{2, 4, 5, 5}, {6, 2, 3, 3}, 2, {1, 2}, {1, 1, 1, 1}, {1, 1}}, // in groups
      {{1, 4, 8, 8}, {6, 2, 4, 4}, 2, {2, 2}, {1, 1, 1, 1}, {1, 1}}, // in groups and blocks
      {{2, 4, 5, 5}, {4, 1, 3, 3}, 4, {1, 1}, {1, 1, 1, 1}, {1, 1}}, // by channel
      {{2, 4, 5, 5}, {8, 1, 3, 3}, 4, {1, 1}, {1, 1, 1, 1}, {1, 1}}, // two outputs for a channel
      {{1, 2, 9, 9}, {2, 1, 9, 9}, 2, {1, 1}, {4, 4, 4, 4}, {1, 1}}, // by channel, a large kernel
      {{1, 2, 3, 3}, {2, 2, 1, 1}, 1, {9, 1}, {4, 1, 4, 1}, {1, 1}}, // a window in padding alone
  };
  for (const Windows& w : cases) {
    SCOPED_TRACE(to_string(w.image) + " " + to_string(w.kernel));
    const auto x = numbers(w.image, 3);
    const auto y = answer(conv_of(w), w.image, x);
    ASSERT_TRUE(y.ok()) << y.error().message;
    EXPECT_EQ(*y, convolved(w, x));
  }
}

TEST(Conv, of_one_element_is_a_matmul_and_moves_nothing_else) {
  const std::string text = imported(conv_of({
      {2, 4, 5},
      {6, 4, 1},
      1, {1},
      {0, 0},
      {1}
  }));
  EXPECT_THAT(text, HasSubstr("matmul"));
  EXPECT_THAT(text, Not(HasSubstr("slice")));
  EXPECT_THAT(text, Not(HasSubstr("concat")));
}

TEST(Conv, of_ten_at_strides_of_five_is_two_slices) {
  const std::string text = imported(conv_of({
      {1, 1, 100},
      {4, 1, 10},
      1, {5},
      {0, 0},
      {1}
  }));
  EXPECT_EQ(count_of(text, "= slice"), 2);
}

TEST(Conv, by_channel_has_no_matmul) {
  const std::string text = imported(conv_of({
      {2, 4, 9},
      {4, 1, 3},
      4, {1},
      {1, 1},
      {1}
  }));
  EXPECT_THAT(text, Not(HasSubstr("matmul")));
}

TEST(Conv, of_many_elements_is_summed_in_parts) {
  const std::string text = imported(conv_of(
      {
          {1, 64, 32768},
          {2, 64, 16},
          1, {1},
          {0, 15},
          {1}
  },
      false));
  EXPECT_EQ(count_of(text, "= matmul"), 2);
}

TEST(Conv, is_refused_where_its_numbers_do_not_fit) {
  const auto refused = [](const Windows& w) { return imported(conv_of(w, false)); };
  EXPECT_THAT(refused({
                  {1, 1, 4},
                  {1, 1, 5},
                  1, {1},
                  {0, 0},
                  {1}
  }),
              HasSubstr("reaches over 5 elements along axis 2, which has 4 with its padding"));
  EXPECT_THAT(refused({
                  {1, 1, 4000},
                  {1, 1, 2000},
                  1, {1},
                  {0, 0},
                  {1}
  }),
              HasSubstr("must be at most 256 long where windows overlap"));
  EXPECT_THAT(refused({
                  {1, 3, 4},
                  {2, 2, 1},
                  1, {1},
                  {0, 0},
                  {1}
  }),
              HasSubstr("for 1 groups"));
  EXPECT_THAT(refused({
                  {1, 3, 4},
                  {2, 1, 1},
                  0, {1},
                  {0, 0},
                  {1}
  }),
              HasSubstr("for 0 groups"));
  EXPECT_THAT(refused({
                  {1, 1, 4},
                  {1, 1, 1},
                  1, {0},
                  {0, 0},
                  {1}
  }),
              HasSubstr("strides are [0]"));
  EXPECT_THAT(refused({
                  {1, 1, 4},
                  {1, 1, 1},
                  1, {1},
                  {-1, 0},
                  {1}
  }),
              HasSubstr("pads are [-1,0]"));
  EXPECT_THAT(refused({
                  {1, 1, 4},
                  {1, 1, 1},
                  1, {1},
                  {INT64_MAX, 0},
                  {1}
  }),
              HasSubstr("pads are"));
  EXPECT_THAT(refused({
                  {1, 1, 4},
                  {1, 1, 2},
                  1, {1},
                  {1 << 30, 0},
                  {INT64_MAX}
  }),
              HasSubstr("dilations are"));
  EXPECT_THAT(refused({
                  {1, 1 << 20, 4},
                  {1, 1 << 20, 1},
                  1, {1},
                  {1 << 30, 0},
                  {1}
  }),
              HasSubstr("too large"));
}

TEST(Conv, that_is_transposed_is_refused_by_name) {
  ModelBuilder m;
  m.input("x", kFloat, "1,1,4").output("y").floats("w", {1}, {1, 1, 1});
  m.node("ConvTranspose", {"x", "w"}, {"y"});
  EXPECT_THAT(imported(m), HasSubstr("(ConvTranspose): is not supported"));
}

}  // namespace
}  // namespace tessera::test
