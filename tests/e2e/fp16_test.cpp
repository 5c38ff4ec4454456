// SPDX-License-Identifier: Apache-2.0
// fp16 is a promise about answers: what it may not round stays in fp32, on the machine, whatever
// the spelling. The judge is ONNX Runtime in fp32 for the models of tests/data/cases/fp16_*, and
// the interpreter in fp32 for graphs whose inputs are too large to be stored.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>

#include "compiler/lower/lower.h"
#include "compiler/onnx/import/import.h"
#include "cost/cost.h"
#include "ir/interpreter.h"
#include "ir/text.h"
#include "passes/floats.h"
#include "passes/pipeline.h"
#include "support/npy.h"
#include "tests/helpers/on_machine.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using Arrays = std::map<std::string, Array>;

// A few roundings of 2^-11 each, of each answer and of the largest.
constexpr double kRelative = 2e-3, kOfLargest = 1e-3;

Expected<std::vector<Array>> in_fp16(const Graph& graph, const Arrays& inputs) {
  Graph lowered = graph.clone();
  PassState state;
  state.options.fp16 = true;
  TRY(run_passes(lowered, state, {}, {}, ""));
  return e2e::run_on_machine(lowered, inputs, *target_preset("test"));
}

void expect_near(const Array& got, const Array& wanted, const std::string& what) {
  ASSERT_EQ(got.data.size(), wanted.data.size()) << what;
  double largest = 0;
  for (const double value : wanted.data)
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  for (size_t i = 0; i < wanted.data.size(); ++i) {
    const double allowed = kRelative * std::abs(wanted.data[i]) + kOfLargest * largest;
    ASSERT_NEAR(got.data[i], wanted.data[i], allowed) << what << ", element " << i;
  }
}

// --- Recorded cases ---

Expected<Array> array_of(const fs::path& file) {
  const NpyArray npy = TRY(read_npy(file));
  const auto widened = [&]<class T>(T, DType dtype) {
    Array array{
        {dtype, npy.shape},
        {}
    };
    for (size_t at = 0; at < npy.bytes.size(); at += sizeof(T)) {
      T value;
      std::memcpy(&value, npy.bytes.data() + at, sizeof(T));
      array.data.push_back(static_cast<double>(value));
    }
    return array;
  };
  if (npy.descr == "<f4") return widened(float{}, DType::F32);
  if (npy.descr == "<i4") return widened(int32_t{}, DType::I32);
  if (npy.descr == "<i8") return widened(int64_t{}, DType::I32);
  return Error{file.string() + ": is of " + npy.descr};
}

Expected<Arrays> arrays_in(const fs::path& folder) {
  Arrays arrays;
  for (const auto& entry : fs::directory_iterator(folder))
    arrays[entry.path().stem()] = TRY(array_of(entry.path()));
  return arrays;
}

std::vector<fs::path> recorded() {
  std::vector<fs::path> cases;
  std::error_code missing;
  const fs::path all = fs::path(tessera::test::source_dir()) / "tests" / "data" / "cases";
  for (const auto& entry : fs::directory_iterator(all, missing))
    if (entry.path().filename().string().starts_with("fp16_")) cases.push_back(entry.path());
  std::ranges::sort(cases);
  return cases;
}

class RecordedInFp32 : public ::testing::TestWithParam<fs::path> {};

TEST_P(RecordedInFp32, is_answered_in_fp16_within_its_rounding) {
  const auto inputs = arrays_in(GetParam() / "inputs"), wanted = arrays_in(GetParam() / "expected");
  ASSERT_TRUE(inputs.ok() && wanted.ok());
  std::map<std::string, Shape> shapes;
  for (const auto& [name, array] : *inputs) shapes[name] = array.type.shape;
  const auto model = import_onnx(GetParam() / "model.onnx", shapes);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const auto got = in_fp16(model->graph, *inputs);
  ASSERT_TRUE(got.ok()) << got.error().message;
  for (size_t i = 0; i < got->size(); ++i) {
    const std::string& name = model->graph.outputs[i].name;
    expect_near((*got)[i], wanted->at(name), name);
  }
}

INSTANTIATE_TEST_SUITE_P(, RecordedInFp32, ::testing::ValuesIn(recorded()),
                         [](const auto& one) { return one.param.filename().string(); });

TEST(RecordedCases, are_all_there) { EXPECT_GE(recorded().size(), 20u); }

// --- What it costs ---

TEST(KeptInFp32, is_stored_and_charged_as_f32) {
  const auto graph = parse_graph(R"(graph @f(%x: f32[64,96]) {
    %t = tanh %x : f32[64,96]
    %w = constant {value=0.5} : f32[96]
    %b = constant {value=0} : f32[96]
    %n = layer_norm %t, %w, %b {eps=1e-5} : f32[64,96]
    %s = reduce_sum %n {axes=[0]} : f32[96]
    %m = softmax %s {axis=0} : f32[96]
    return %m
  })");
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  Graph kept = graph->clone(), all = graph->clone();
  PassState state;
  state.options.fp16 = true;
  ASSERT_TRUE(run_passes(kept, state, {}, {}, "").ok());
  ASSERT_TRUE(change_floats(all, DType::F32, DType::F16).ok());
  const auto with = lower(kept, {.target = *target_preset("test")}),
             without = lower(all, {.target = *target_preset("test")});
  ASSERT_TRUE(with.ok() && without.ok());
  const auto dtype_of = [](const Program& program, const std::string& name) {
    const auto found = std::ranges::find(program.variables, name, &Variable::name);
    EXPECT_NE(found, program.variables.end()) << name;
    return found == program.variables.end() ? DType::Bool : found->dtype;
  };
  EXPECT_EQ(dtype_of(with->program, "s"), DType::F32);
  EXPECT_EQ(dtype_of(with->program, "n"), DType::F16);
  EXPECT_EQ(dtype_of(without->program, "s"), DType::F16);
  EXPECT_GT(program_cost(with->program).total.value, program_cost(without->program).total.value);
}

// --- Large ones ---

double wave(int64_t i) { return std::sin(static_cast<double>(7 * i % 1013)); }

void expect_as_in_fp32(const std::string& text, const std::function<double(int64_t)>& value) {
  const auto graph = parse_graph(text);
  ASSERT_TRUE(graph.ok()) << graph.error().message;
  Arrays inputs;
  for (const Node* input : graph->inputs) {
    Array& array = inputs[input->name];
    array.type = input->type;
    for (int64_t i = 0; i < elements(input->type.shape); ++i) array.data.push_back(value(i));
    round_to_dtype(array);
  }
  const auto wanted = interpret(*graph, inputs), got = in_fp16(*graph, inputs);
  ASSERT_TRUE(wanted.ok() && got.ok());
  for (size_t i = 0; i < wanted->size(); ++i)
    expect_near((*got)[i], (*wanted)[i], graph->outputs[i].name);
}

TEST(LargeInFp16, a_mean_of_70000_divides_by_70000) {
  expect_as_in_fp32(R"(graph @f(%x: f32[4,70000]) {
    %sum = reduce_sum %x {axes=[1]} : f32[4]
    %n = constant {value=70000} : f32[4]
    %y = div %sum, %n : f32[4]
    return %y
  })",
                    [](int64_t i) { return 0.5 + 0.4 * wave(i); });
}

TEST(LargeInFp16, a_mean_of_an_image_is_finite) {
  expect_as_in_fp32(R"(graph @f(%x: f32[1,3,512,512]) {
    %sum = reduce_sum %x {axes=[2,3]} : f32[1,3]
    %n = constant {value=262144} : f32[1,3]
    %y = div %sum, %n : f32[1,3]
    return %y
  })",
                    [](int64_t i) { return 0.5 + 0.4 * wave(i); });
}

TEST(LargeInFp16, a_count_passes_2048_one_by_one) {
  expect_as_in_fp32(R"(graph @f(%x: f32[2,6001]) {
    %zero = constant {value=0} : f32[]
    %zeros = broadcast %zero {shape=[2,6001]} : f32[2,6001]
    %is = less %zeros, %x : bool[2,6001]
    %ones = cast %is {to="f32"} : f32[2,6001]
    %y = reduce_sum %ones {axes=[1]} : f32[2]
    return %y
  })",
                    [](int64_t i) { return wave(i) + 0.7; });
}

TEST(LargeInFp16, a_sharp_softmax_is_finite) {
  expect_as_in_fp32(R"(graph @f(%x: f32[4,100]) {
    %c = constant {value=50000} : f32[4,100]
    %s = mul %x, %c : f32[4,100]
    %y = softmax %s {axis=1} : f32[4,100]
    return %y
  })",
                    [](int64_t i) { return 5 * wave(i); });
}

TEST(LargeInFp16, a_layer_norm_of_an_offset_sees_what_is_beside_it) {
  expect_as_in_fp32(R"(graph @f(%x: f32[4,64]) {
    %c = constant {value=100} : f32[4,64]
    %s = add %x, %c : f32[4,64]
    %g = constant {value=1} : f32[64]
    %b = constant {value=0} : f32[64]
    %y = layer_norm %s, %g, %b {eps=1e-5} : f32[4,64]
    return %y
  })",
                    [](int64_t i) { return 0.1 * wave(i); });
}

TEST(LargeInFp16, a_running_sum_does_not_overflow) {
  expect_as_in_fp32(R"(graph @f(%x: f32[2,3000]) {
    %y = cumsum %x {axis=1} : f32[2,3000]
    return %y
  })",
                    [](int64_t i) { return 100 + wave(i); });
}

}  // namespace
}  // namespace tessera
