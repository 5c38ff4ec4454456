// SPDX-License-Identifier: Apache-2.0
// Pools, padding, resizing and norms of images: the answers, what padding and packing make of them
// and of convolutions, and what is refused. ONNX's node tests have the plain cases.
#include "tests/compiler/onnx/import/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "passes/paddable.h"

namespace tessera::test {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr int32_t kFloat = TensorProto::FLOAT;

// Tokens [batch, sequence], embedded, turned to channels and handed to a node.
ModelBuilder over_tokens(const std::function<void(ModelBuilder&)>& add) {
  ModelBuilder m;
  m.input("input_ids", TensorProto::INT64, "2,6").output("y");
  floats(m, "table", {9, 4}, 1);
  m.node("Gather", {"table", "input_ids"}, {"e"}, "gather");
  set_attribute(m.node("Transpose", {"e"}, {"t"}, "turn"), "perm", Ints{0, 2, 1});
  add(m);
  set_attribute(m.node("Transpose", {"c"}, {"y"}, "back"), "perm", Ints{0, 2, 1});
  return m;
}
ModelBuilder conv_over_tokens(int64_t kernel, int64_t groups) {
  return over_tokens([&](ModelBuilder& m) {
    floats(m, "w", {8, 4 / groups, kernel}, 2);
    auto& node = m.node("Conv", {"t", "w"}, {"c"}, "conv");
    set_attribute(node, "pads", Ints{kernel / 2, kernel / 2});
    set_attribute(node, "group", groups);
  });
}
Paddable paddable(const ModelBuilder& m) {
  const TempFolder folder;
  const auto model = import_onnx(m.save(folder), {});
  EXPECT_TRUE(model.ok()) << model.error().message;
  return prove_paddable(model->graph, "");
}

TEST(OverTokens, a_kernel_of_one_is_by_token) {
  for (const int64_t groups : {1, 2}) {
    const Paddable found = paddable(conv_over_tokens(1, groups));
    EXPECT_TRUE(found.by_tokens) << found.why_not;
  }
}

TEST(OverTokens, a_longer_kernel_is_not_padded) {
  for (const int64_t groups : {1, 4}) {
    const Paddable found = paddable(conv_over_tokens(3, groups));
    EXPECT_FALSE(found.by_tokens);
    EXPECT_NE(found.why_not, "");
  }
  EXPECT_THAT(paddable(conv_over_tokens(3, 1)).why_not,
              HasSubstr("where padding would be part of the answer"));
  EXPECT_TRUE(paddable(conv_over_tokens(3, 1)).by_rows);
}

TEST(OverTokens, a_pool_is_not_padded) {
  for (const char* op : {"AveragePool", "MaxPool"})
    for (const int64_t stride : {1, 2}) {
      const Paddable found = paddable(over_tokens([&](ModelBuilder& m) {
        auto& node = m.node(op, {"t"}, {"c"}, "pool");
        set_attribute(node, "kernel_shape", Ints{2});
        set_attribute(node, "strides", Ints{stride});
      }));
      EXPECT_TRUE(found.by_rows);
      EXPECT_FALSE(found.by_tokens);
    }
}

ModelBuilder pool_of(const std::string& op, const Shape& x, const Ints& kernel,
                     const std::function<void(::onnx::NodeProto&)>& more) {
  ModelBuilder m(19);
  m.input("x", kFloat, dims_of(x)).output("y");
  auto& node = m.node(op, {"x"}, {"y"});
  if (!kernel.empty()) set_attribute(node, "kernel_shape", kernel);
  more(node);
  return m;
}
const std::vector<double> kFive = {1, 5, 3, 2, 7};

TEST(Pool, of_a_last_window_that_is_not_whole_counts_what_it_sees) {
  const auto y = answer(pool_of("AveragePool", {1, 1, 5}, {2},
                                [](auto& node) {
                                  set_attribute(node, "strides", Ints{2});
                                  set_attribute(node, "ceil_mode", int64_t{1});
                                  set_attribute(node, "count_include_pad", int64_t{1});
                                }),
                        {1, 1, 5}, kFive);
  ASSERT_TRUE(y.ok()) << y.error().message;
  EXPECT_THAT(*y, ElementsAre(3, 2.5, 7));
}

TEST(Pool, counts_padding_if_it_is_told_to) {
  for (const bool counts : {false, true}) {
    const auto y =
        answer(pool_of("AveragePool", {1, 1, 5}, {3},
                       [&](auto& node) {
                         set_attribute(node, "pads", Ints{1, 1});
                         set_attribute(node, "strides", Ints{2});
                         set_attribute(node, "count_include_pad", int64_t{counts ? 1 : 0});
                       }),
               {1, 1, 5}, kFive);
    ASSERT_TRUE(y.ok()) << y.error().message;
    EXPECT_THAT(*y, ElementsAre(counts ? 2 : 3, DoubleNear(10.0 / 3, 1e-6), counts ? 3 : 4.5));
  }
}

TEST(Pool, of_a_maximum_has_holes_and_sees_no_padding) {
  const auto y = answer(pool_of("MaxPool", {1, 1, 5}, {2},
                                [](auto& node) {
                                  set_attribute(node, "pads", Ints{1, 1});
                                  set_attribute(node, "dilations", Ints{2});
                                }),
                        {1, 1, 5}, {-1, -5, -3, -2, -7});
  ASSERT_TRUE(y.ok()) << y.error().message;
  EXPECT_THAT(*y, ElementsAre(-5, -1, -2, -3, -2));
}

TEST(Pool, of_blocks_is_one_reduction_of_any_length) {
  const ModelBuilder m = pool_of("MaxPool", {1, 1, 6000}, {3000},
                                 [](auto& node) { set_attribute(node, "strides", Ints{3000}); });
  EXPECT_THAT(imported(m), HasSubstr("reduce_max"));
  EXPECT_THAT(imported(m), Not(HasSubstr("= slice")));
}

TEST(Pool, of_the_whole_image_keeps_axes_of_one) {
  const std::vector<double> x = {1, 2, 3, 6, -1, -2, -3, -6};
  const auto mean =
      answer(pool_of("GlobalAveragePool", {1, 2, 2, 2}, {}, [](auto&) {}), {1, 2, 2, 2}, x);
  const auto top =
      answer(pool_of("GlobalMaxPool", {1, 2, 2, 2}, {}, [](auto&) {}), {1, 2, 2, 2}, x);
  EXPECT_THAT(*mean, ElementsAre(3, -3));
  EXPECT_THAT(*top, ElementsAre(6, -1));
}

TEST(Pool, is_refused_where_it_has_no_answer_or_too_many_windows) {
  const auto refused = [](const Ints& kernel, const Ints& pads) {
    return imported(pool_of("MaxPool", {1, 1, 600}, kernel,
                            [&](auto& node) { set_attribute(node, "pads", pads); }));
  };
  EXPECT_THAT(refused({300}, {0, 0}), HasSubstr("must be at most 256 along an axis"));
  EXPECT_THAT(refused({2}, {2, 0}), HasSubstr("lies in padding alone"));
  EXPECT_THAT(refused({2, 2}, {0, 0, 0, 0}), HasSubstr("a size for each axis"));
  ModelBuilder m = pool_of("MaxPool", {1, 1, 6}, {2}, [](auto&) {});
  m.graph().mutable_node(0)->add_output("indices");
  m.output("indices");
  EXPECT_THAT(imported(m), HasSubstr("result 1 is used, must be left out"));
}

Expected<std::vector<double>> padded(const std::string& mode, const Ints& pads, const Ints& axes,
                                     const Shape& shape, std::vector<double> x) {
  ModelBuilder m(19);
  m.input("x", kFloat, dims_of(shape)).output("y").ints("pads", pads);
  if (!axes.empty()) m.ints("axes", axes);
  set_attribute(
      m.node("Pad", axes.empty() ? Names{"x", "pads"} : Names{"x", "pads", "", "axes"}, {"y"}),
      "mode", mode);
  return answer(m, shape, std::move(x));
}

TEST(Pad, repeats_elements_in_every_mode) {
  const std::vector<double> x = {1, 2, 3};
  EXPECT_THAT(*padded("edge", {2, 1}, {}, {3}, x), ElementsAre(1, 1, 1, 2, 3, 3));
  EXPECT_THAT(*padded("reflect", {2, 1}, {}, {3}, x), ElementsAre(3, 2, 1, 2, 3, 2));
  EXPECT_THAT(*padded("reflect", {5, 0}, {}, {3}, x), ElementsAre(2, 1, 2, 3, 2, 1, 2, 3));
  EXPECT_THAT(*padded("reflect", {1, 1}, {}, {1}, {4}), ElementsAre(4, 4, 4));
  EXPECT_THAT(*padded("wrap", {1, 4}, {}, {3}, x), ElementsAre(3, 1, 2, 3, 1, 2, 3, 1));
}

TEST(Pad, of_named_axes_and_of_less_than_nothing) {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6};
  EXPECT_THAT(*padded("constant", {1, 0}, {-1}, {3, 2}, x), ElementsAre(0, 1, 2, 0, 3, 4, 0, 5, 6));
  EXPECT_THAT(*padded("constant", {-1, 1}, {0}, {3, 2}, x), ElementsAre(3, 4, 5, 6, 0, 0));
  EXPECT_THAT(*padded("edge", {-2, 1}, {0}, {3, 2}, x), ElementsAre(5, 6, 5, 6));
}

TEST(Pad, is_refused_where_nothing_can_be_repeated) {
  const auto words = [](const std::string& mode, const Ints& pads, const Ints& axes) {
    const auto y = padded(mode, pads, axes, {3}, {1, 2, 3});
    return y.ok() ? "" : y.error().message;
  };
  EXPECT_THAT(words("reflect", {1 << 30, 0}, {}), HasSubstr("must pad by less than"));
  EXPECT_THAT(words("edge", {INT64_MAX, 0}, {}), HasSubstr("must be within int32"));
  EXPECT_THAT(words("edge", {-3, 1}, {}), HasSubstr("must repeat elements"));
  EXPECT_THAT(words("constant", {-4, 0}, {}), HasSubstr("must leave what it has"));
  EXPECT_THAT(words("constant", {INT32_MIN, 0}, {}), HasSubstr("must leave what it has"));
  EXPECT_THAT(words("constant", {1, 1, 1, 1}, {0, 0}), HasSubstr("one axis twice"));
  EXPECT_THAT(words("mirror", {1, 1}, {}), HasSubstr("mode is 'mirror'"));
}

// A constant [1,1,4] resized, and added to x.
ModelBuilder resized(const Ints& sizes, const std::function<void(::onnx::NodeProto&)>& more) {
  ModelBuilder m(19);
  m.input("x", kFloat, "1").output("y").ints("sizes", sizes).floats("c", {0, 1, 2, 5}, {1, 1, 4});
  more(m.node("Resize", {"c", "", "", "sizes"}, {"r"}, "resize"));
  m.node("Add", {"r", "x"}, {"y"}, "add");
  return m;
}

TEST(Resize, of_a_constant_is_computed_at_import) {
  const auto linear =
      answer(resized({1, 1, 7},
                     [](auto& node) {
                       set_attribute(node, "mode", "linear");
                       set_attribute(node, "coordinate_transformation_mode", "align_corners");
                     }),
             {1}, {0});
  ASSERT_TRUE(linear.ok()) << linear.error().message;
  EXPECT_THAT(*linear, ElementsAre(0, 0.5, 1, 1.5, 2, 3.5, 5));
  const auto nearest = answer(resized({1, 1, 8}, [](auto&) {}), {1}, {0});
  EXPECT_THAT(*nearest, ElementsAre(0, 0, 1, 1, 2, 2, 5, 5));
  const auto mean = answer(resized({1, 1, 1},
                                   [](auto& node) {
                                     set_attribute(node, "mode", "linear");
                                     set_attribute(node, "antialias", int64_t{1});
                                   }),
                           {1}, {0});
  EXPECT_NEAR((*mean)[0], (0 * 9 + 1 * 7 + 2 * 7 + 5 * 9) / 32.0, 1e-6);
}

TEST(Resize, of_data_is_refused_unless_it_stays_as_it_is) {
  const auto of_x = [](const Ints& sizes) {
    ModelBuilder m(19);
    m.input("x", kFloat, "1,1,4").output("y").ints("sizes", sizes);
    m.node("Resize", {"x", "", "", "sizes"}, {"r"}, "resize");
    m.node("Add", {"r", "x"}, {"y"}, "add");
    return imported(m);
  };
  EXPECT_THAT(of_x({1, 1, 8}), HasSubstr("(Resize): what it resizes (input 0) depends on the"));
  EXPECT_THAT(of_x({1, 1, 4}), HasSubstr("add %x, %x"));
}

TEST(Resize, is_refused_where_it_would_take_too_much) {
  const auto nothing = [](auto&) {};
  EXPECT_THAT(imported(resized({1, 1, 1 << 30}, nothing)),
              HasSubstr("takes more than import may compute"));
  EXPECT_THAT(imported(resized({1, 1, -1}, nothing)), HasSubstr("sizes are [1,1,-1]"));
  EXPECT_THAT(imported(resized({1, 1, 5}, [](auto& node) { set_attribute(node, "mode", "area"); })),
              HasSubstr("mode is 'area'"));
  EXPECT_THAT(imported(resized({1, 1, 5},
                               [](auto& node) { set_attribute(node, "nearest_mode", "simple"); })),
              HasSubstr("nearest_mode is 'simple'"));
}

TEST(ImageNorms, are_by_channel) {
  ModelBuilder m;
  m.input("x", kFloat, "1,2,2").output("y").floats("s", {1, 2}, {2});
  m.floats("b", {0, 1}, {2});
  m.node("InstanceNormalization", {"x", "s", "b"}, {"y"});
  const auto y = answer(m, {1, 2, 2}, {1, 3, 10, 30});
  ASSERT_TRUE(y.ok()) << y.error().message;
  const std::vector<double> wanted = {-1, 1, -1, 3};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR((*y)[i], wanted[i], 1e-4);
}

TEST(ImageNorms, of_a_batch_use_what_training_left) {
  ModelBuilder m(14);
  m.input("x", kFloat, "1,2,2").output("y").floats("s", {1, 2}, {2});
  m.floats("b", {0, 1}, {2});
  m.floats("mean", {1, 2}, {2});
  m.floats("variance", {4, 1}, {2});
  auto& node = m.node("BatchNormalization", {"x", "s", "b", "mean", "variance"}, {"y"});
  const auto y = answer(m, {1, 2, 2}, {1, 3, 2, 3});
  ASSERT_TRUE(y.ok()) << y.error().message;
  const std::vector<double> wanted = {0, 1, 1, 3};
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR((*y)[i], wanted[i], 1e-4);
  set_attribute(node, "training_mode", int64_t{1});
  EXPECT_THAT(imported(m), HasSubstr("training_mode is on"));
}

}  // namespace
}  // namespace tessera::test
