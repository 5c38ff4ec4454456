// SPDX-License-Identifier: Apache-2.0
// From a graph to an executable that says what it is: anchors, costs, options, packing, report.
#include "compiler/compile.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "codelets/codelet.h"
#include "compiler/convert.h"
#include "compiler/onnx/make/make_model.h"
#include "ir/text.h"
#include "program/popef.h"
#include "program/text.h"
#include "support/file.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kEmbedding = R"(graph @lookup(%ids: i32[2,3]) {
  %table = constant {value=0.5} : f32[10,16]
  %rows = gather %table, %ids {axis=0} : f32[2,3,16]
  %e = exp %rows : f32[2,3,16]
  return %e as "out"
})";

CompileOptions test_options() {
  CompileOptions options;
  options.target = *target_preset("test");
  return options;
}

Converted converted(const std::string& text) {
  Expected<Graph> graph = parse_graph(text);
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  Converted result;
  result.graph = graph.take();
  result.source_sha256 = "feed";
  result.passes = {"fold_constants"};
  return result;
}

CompileResult compiled(const std::string& text, const CompileOptions& options = test_options()) {
  Expected<CompileResult> result = compile_graph(converted(text), options);
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.take();
}

TEST(Compile, anchors_say_what_a_caller_must_bring) {
  Converted model = converted(kEmbedding);
  model.model_dtypes = {
      {"ids", "int64"}
  };
  const CompileResult result = compile_graph(std::move(model), test_options()).take();
  const std::vector<Anchor>& anchors = result.executable.metadata.anchors;
  ASSERT_EQ(anchors.size(), 2u);
  EXPECT_EQ(anchors[0].name, "ids");
  EXPECT_EQ(anchors[0].dtype, DType::I32);
  EXPECT_EQ(anchors[0].model_dtype, "int64");
  EXPECT_EQ(anchors[0].index_limit, 10);
  EXPECT_EQ(anchors[1].kind, AnchorKind::Output);
  EXPECT_EQ(anchors[1].model_dtype, "float32");
  EXPECT_THAT(anchors[1].shape, ElementsAre(2, 3, 16));
}

// Attention asks of a key whether its number is 0; (1 - m) · -1e9 in the model would make more of
// a 2.
TEST(Compile, a_mask_of_keys_must_be_0_or_1) {
  const CompileResult result = compiled(R"(graph @f(%x: f32[2,4,8], %seen: i32[2,4]) {
    %y = attention %x, %x, %x, %seen {heads=1, mask="keys", scale=1} : f32[2,4,8]
    return %y
  })");
  const Anchor& mask = result.executable.metadata.anchors[1];
  EXPECT_EQ(mask.must_be(0), "");
  EXPECT_EQ(mask.must_be(1), "");
  EXPECT_EQ(mask.must_be(2), "0..1, as node 'y' takes it for a mask");
  EXPECT_NE(mask.must_be(-1), "");
}

TEST(Compile, ids_that_are_a_mask_too_may_be_any_row_of_their_table) {
  const CompileResult result = compiled(R"(graph @f(%ids: i32[2,4]) {
    %table = constant {value=1} : f32[9,8]
    %x = gather %table, %ids {axis=0} : f32[2,4,8]
    %y = attention %x, %x, %x, %ids {heads=1, mask="keys:-10000", scale=1} : f32[2,4,8]
    return %y
  })");
  EXPECT_EQ(result.executable.metadata.anchors[0].must_be(8), "");
  EXPECT_EQ(result.executable.metadata.anchors[0].must_be(9), "0..8");
}

// In f16 (1 - 2) · -10000 is 10000, beside which a score is rounded to 8.
TEST(Compile, a_mask_that_is_added_in_half_precision_must_be_0_or_1) {
  const std::string text = R"(graph @f(%x: HALF[2,4], %seen: i32[2,4]) {
    %one = constant {value=1} : HALF[2,4]
    %low = constant {value=-10000} : HALF[2,4]
    %m = cast %seen {to="HALF"} : HALF[2,4]
    %rest = sub %one, %m : HALF[2,4]
    %add = mul %rest, %low : HALF[2,4]
    %sum = add %x, %add : HALF[2,4]
    %y = softmax %sum {axis=1} : HALF[2,4]
    return %y
  })";
  const auto must_be = [&](const char* dtype) {
    std::string typed = text;
    for (size_t at; (at = typed.find("HALF")) != typed.npos;) typed.replace(at, 4, dtype);
    return compiled(typed.c_str()).executable.metadata.anchors[1].must_be(2);
  };
  EXPECT_EQ(must_be("f16"), "0..1, as node 'add' takes it for a mask");
  EXPECT_EQ(must_be("f32"), "");
}

TEST(Compile, constants_share_the_bytes_of_the_graph) {
  Converted model = converted(kEmbedding);
  const std::byte* bytes = nullptr;
  for (const auto& node : model.graph.nodes()) {
    if (node->is(Op::Constant)) bytes = node->value.bytes().data();
  }
  const CompileResult result = compile_graph(std::move(model), test_options()).take();
  ASSERT_EQ(result.executable.constants.size(), 1u);
  EXPECT_EQ(result.executable.constants[0].bytes.data(), bytes);
}

TEST(Compile, metadata_tells_where_it_comes_from) {
  const Metadata metadata = compiled(kEmbedding).executable.metadata;
  EXPECT_EQ(metadata.source_sha256, "feed");
  EXPECT_EQ(metadata.model_name, "lookup");
  EXPECT_EQ(metadata.options, to_string(test_options()));
  EXPECT_EQ(metadata.options_sha256.size(), 64u);
  EXPECT_GT(metadata.cycles.total, 0u);
  EXPECT_TRUE(metadata.memory.fits);
}

TEST(Compile, cycles_are_the_sum_of_their_kinds) {
  const CycleSummary cycles = compiled(kEmbedding).executable.metadata.cycles;
  EXPECT_EQ(cycles.total, cycles.compute + cycles.exchange + cycles.sync);
}

TEST(Compile, phases_are_announced_in_order) {
  std::vector<std::string> seen;
  const auto note = [&](const std::string& phase) { seen.push_back(phase); };
  const CompileResult result = compile_graph(converted(kEmbedding), test_options(), note).take();
  EXPECT_THAT(seen, ElementsAre("lower", "verify", "cost"));
  EXPECT_EQ(result.phases.size(), 3u);
}

TEST(Compile, the_report_is_json_that_adds_up) {
  const CompileResult result = compiled(kEmbedding);
  const nlohmann::json report = nlohmann::json::parse(result.executable.report);
  uint64_t sum = 0;
  for (const auto& step : report["supersteps"]) {
    sum += step["exchange_cycles"].get<uint64_t>() + step["compute_cycles"].get<uint64_t>() +
           step["sync_cycles"].get<uint64_t>();
  }
  EXPECT_EQ(sum, report["cycles"]["total"].get<uint64_t>());
  double share = 0;
  for (const auto& codelet : report["by_codelet"]) share += codelet["share"].get<double>();
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_EQ(report["passes"], nlohmann::json({"fold_constants"}));
}

using CompiledFiles = TestWithFolder;

// The name of the file changes no byte.
TEST_F(CompiledFiles, are_the_same_whatever_the_model_is_called) {
  std::vector<std::string> bytes;
  for (const char* name : {"a.onnx", "another_name.onnx"}) {
    ASSERT_TRUE(make_model(make_model_preset("tiny").take(), path(name)));
    CompileOptions options = test_options();
    options.input_shape["input_ids"] = {2, 8};
    Expected<CompileResult> made = compile(path(name), options);
    ASSERT_TRUE(made.ok()) << made.error().message;
    ASSERT_TRUE(write_popef(made->executable, path("out.popef")));
    bytes.push_back(read_text_file(path("out.popef")).take());
    EXPECT_EQ(made->executable.metadata.model_name.find(".onnx"), std::string::npos);
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

TEST(Compile, the_same_model_gives_the_same_executable) {
  const CompileResult a = compiled(kEmbedding), b = compiled(kEmbedding);
  EXPECT_EQ(print(a.executable.program), print(b.executable.program));
  EXPECT_EQ(a.executable.report, b.executable.report);
}

TEST(Compile, a_model_too_large_for_the_tiles_is_compiled_and_said_to_be) {
  CompileOptions options = test_options();
  options.target.bytes_per_tile = 638976;
  const CompileResult result = compiled(R"(graph @f(%x: f32[8,2048]) {
    %w = constant {value=0.5} : f32[2048,2048]
    %m = matmul %x, %w : f32[8,2048]
    return %m
  })",
                                        options);
  ASSERT_TRUE(result.out_of_memory.has_value());
  EXPECT_EQ(result.out_of_memory->kind, ErrorKind::OutOfMemory);
  EXPECT_THAT(result.out_of_memory->message, StartsWith("Out of memory on tile "));
  EXPECT_FALSE(result.executable.metadata.memory.fits);
  EXPECT_THAT(result.executable.report, HasSubstr("\"fits\": false"));
}

TEST(Compile, only_fit_plans_with_a_smaller_share_than_was_asked_for) {
  constexpr const char* kMatmul = R"(graph @f(%x: f16[512,1024]) {
    %w = constant {value=0.5} : f16[1024,512]
    %m = matmul %x, %w : f16[512,512]
    return %m
  })";
  CompileOptions options = test_options();
  bool was_needed = false;
  for (int64_t bytes = 2'000'000; bytes > 400'000 && !was_needed; bytes -= 100'000) {
    options.target.bytes_per_tile = bytes;
    options.fit = false;
    const CompileResult asked = compiled(kMatmul, options);
    EXPECT_EQ(asked.planned_proportion, options.available_memory_proportion);
    options.fit = true;
    const CompileResult fitted = compiled(kMatmul, options);
    if (!asked.out_of_memory.has_value()) {
      EXPECT_EQ(print(fitted.executable.program), print(asked.executable.program));
    } else if (!fitted.out_of_memory.has_value()) {
      EXPECT_LT(fitted.planned_proportion, options.available_memory_proportion);
      EXPECT_LE(fitted.executable.metadata.memory.peak_bytes, bytes);
      was_needed = true;
    }
  }
  EXPECT_TRUE(was_needed);
}

TEST(Compile, a_missing_model_is_an_error_that_names_it) {
  const Expected<CompileResult> result = compile("/no/such/model.onnx", test_options());
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(result.error().message, HasSubstr("/no/such/model.onnx"));
}

}  // namespace
}  // namespace tessera
