// SPDX-License-Identifier: Apache-2.0
#include "ir/text.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "ir/verify.h"
#include "support/half.h"
#include "tests/ir/run.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

constexpr const char* kWide =
    "graph @wide(%ids: i32[2,4], %\"a \\\"b\\\"\\x0a:0\": f32[2,4,6]) {\n"
    "  %table = constant {value=[0,1,2,3,4,5,6,7,8,9,-0.5,nan]} : f16[2,6]\n"
    "  %mask = constant {value=[1,0]} : bool[2]\n"
    "  %big = constant {elided=\"00ff\"} : f32[6,6]\n"
    "  %e = gather %table, %ids {axis=0} : f16[2,4,6]\n"
    "  %c = cast %e {to=\"f32\"} : f32[2,4,6]\n"
    "  %m = matmul %c, %big : f32[2,4,6]\n"
    "  %a = attention %m, %c, %\"a \\\"b\\\"\\x0a:0\", %ids {heads=2, mask=\"segments\", "
    "scale=0.5} : f32[2,4,6]\n"
    "  %s = slice %a {size=[2,4,3], start=[0,3,0], step=[1,-1,2]} : f32[2,4,3]\n"
    "  return %s, %a as \"end logits\"\n"
    "}\n";

// A tensor of every bit pattern in `patterns`.
template <class T>
Tensor bits(DType dtype, const std::vector<T>& patterns) {
  return Tensor::copy({dtype, {static_cast<int64_t>(patterns.size())}},
                      std::as_bytes(std::span(patterns)));
}

Tensor round_trip(Tensor tensor) {
  Graph graph;
  graph.outputs = {
      {"c", graph.add_constant("c", std::move(tensor))}
  };
  PrintOptions options;
  options.max_values = 1 << 20;
  return parsed(print(graph, options)).outputs[0].node->value;
}

std::string text_of(Tensor tensor) {
  Graph graph;
  graph.add_constant("c", std::move(tensor));
  const std::string text = print(graph);
  const size_t start = text.find('{', text.find("constant"));
  return text.substr(start, text.find('}') + 1 - start);
}

TEST(Text, what_print_writes_parse_reads) { EXPECT_EQ(print(parsed(kWide)), kWide); }

TEST(Text, every_half_reads_back_to_the_same_bits) {
  std::vector<uint16_t> all(1 << 16);
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<uint16_t>(i);
  const Tensor tensor = bits(DType::F16, all);
  EXPECT_EQ(round_trip(tensor), tensor);
}

TEST(Text, floats_read_back_to_the_same_bits) {
  std::mt19937 random(1);
  std::vector<uint32_t> some = {0,          0x80000000, 1,          0x007fffff, 0x7f7fffff,
                                0x7f800000, 0xff800000, 0x7fc00000, 0xffc00000, 0x7f800001};
  for (int i = 0; i < 20000; ++i) some.push_back(random());
  const Tensor tensor = bits(DType::F32, some);
  EXPECT_EQ(round_trip(tensor), tensor);
}

TEST(Text, integers_and_bools_read_back) {
  const Tensor integers = bits<int32_t>(DType::I32, {0, -1, 2147483647, -2147483648});
  EXPECT_EQ(round_trip(integers), integers);
  const Tensor bools = bits<uint8_t>(DType::Bool, {0, 1, 1});
  EXPECT_EQ(round_trip(bools), bools);
  const Tensor nothing(
      {
          DType::F32, {0, 3}
  },
      std::make_shared<int>(0), {});
  EXPECT_EQ(round_trip(nothing), nothing);
}

TEST(Text, numbers_are_as_short_as_they_can_be) {
  EXPECT_EQ(text_of(bits(DType::F16, std::vector{to_half(0.1), to_half(65504.0)})),
            "{value=[0.1,65504]}");
  EXPECT_EQ(text_of(bits(DType::F32, std::vector{0.1f, -0.0f, 1e-12f})), "{value=[0.1,-0,1e-12]}");
  EXPECT_EQ(text_of(bits(DType::F32, std::vector<uint32_t>{0x7fc00000, 0xffc00000})),
            "{value=[nan,0xffc00000]}");
}

TEST(Text, a_tensor_of_one_value_prints_it_once) {
  EXPECT_EQ(text_of(bits(DType::F32, std::vector<float>(1000, 2.5f))), "{value=2.5}");
  EXPECT_EQ(text_of(bits(DType::I32, std::vector<int32_t>{7})), "{value=7}");
}

TEST(Text, a_large_constant_prints_as_its_digest_and_parses_to_one_without_data) {
  std::vector<int32_t> values(65);
  values[0] = 1;
  Graph graph;
  graph.outputs = {
      {"c", graph.add_constant("c", bits(DType::I32, values))}
  };
  const std::string text = print(graph);
  EXPECT_THAT(text, HasSubstr("%c = constant {elided=\""));
  const Graph again = parsed(text);
  EXPECT_FALSE(again.outputs[0].node->value.has_data());
  EXPECT_EQ(print(again), text);
}

TEST(Text, origins_are_comments) {
  Graph graph = parsed("graph @f(%x: f32[1]) { %y = exp %x : f32[1] return %y }");
  graph.nodes().back()->origin = {"layer/Exp", "odd\nname"};
  PrintOptions options;
  options.origins = true;
  const std::string text = print(graph, options);
  EXPECT_THAT(text, HasSubstr(": f32[1]  # from layer/Exp, \"odd\\x0aname\"\n"));
  EXPECT_EQ(print(parsed(text)), print(graph));
}

TEST(Text, space_and_comments_are_free_and_commas_between_attributes_too) {
  const Graph graph = parsed(
      "# first\ngraph@f( %x :f32[2 , 2] )  { # here\r\n\t%y=slice %x{start=[0,0]step=[1,1],"
      "size=[1,1]}:f32[1,1]return %y}# last");
  EXPECT_EQ(graph.outputs[0].node->type.shape, (Shape{1, 1}));
}

TEST(Text, no_part_of_a_text_does_harm) {
  const std::string text = kWide;
  for (size_t size = 0; size < text.size(); ++size) {
    const Expected<Graph> graph = parse_graph(text.substr(0, size));
    EXPECT_EQ(graph.ok(), size + 1 == text.size()) << text.substr(0, size);
  }
}

TEST(Text, no_changed_character_does_harm) {
  std::mt19937 random(7);
  const std::string alphabet = "%@{}[](),:=\"\\#-.0129aefinx \n";
  for (int i = 0; i < 20000; ++i) {
    std::string text = kWide;
    for (int change = 0; change < 3; ++change)
      text[random() % text.size()] = alphabet[random() % alphabet.size()];
    const Expected<Graph> graph = parse_graph(text);
    if (!graph.ok()) {
      EXPECT_THAT(graph.error().message, ::testing::MatchesRegex("[0-9]+:[0-9]+: (.|\n)+"));
    } else {
      EXPECT_EQ(print(parsed(print(*graph))), print(*graph)) << text;
    }
  }
}

TEST(Text, a_short_text_cannot_ask_for_much_memory) {
  EXPECT_EQ(parse_error("graph @f() {\n  %c = constant {value=0} : f32[1099511627776]\n"
                        "  return %c\n}"),
            "2:8: c: constants take 4398046511104 bytes, must take at most 268435456");
}

}  // namespace
}  // namespace tessera
