// SPDX-License-Identifier: Apache-2.0
// Sound models in which one number was replaced by one that nobody means: an attribute of ONNX's
// node tests, a small constant of an encoder, a name. Each is compiled or refused, and never ends
// the process. They are drawn with a fixed seed, and their number takes some seconds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <limits>
#include <random>

#include "compiler/compile.h"
#include "compiler/onnx/make/make_model.h"
#include "tests/compiler/onnx/builder.h"
#include "tests/helpers/onnx_case.h"

namespace tessera::test {
namespace {

using ::onnx::AttributeProto;
using ::onnx::ModelProto;
using ::testing::HasSubstr;

constexpr float kFloats[] = {INFINITY, -INFINITY, NAN, -0.0f, 0.0f, 3e38f, -3e38f, 1e-45f, -1};
constexpr int64_t kInts[] = {INT64_MIN, INT64_MAX, INT32_MIN, INT32_MAX, -1, 0, 1, 2, 1000};
const std::string kStrings[] = {"", "\xff\xfe", std::string("a\0b", 3), std::string(9000, 'x')};

CompileOptions options(Precision precision) {
  CompileOptions options;
  options.target.tiles = 4;
  options.precision = precision;
  return options;
}

// True if it compiles; an error is one for its user.
bool compiles(const TempFolder& folder, const ModelProto& model, const CompileOptions& options,
              const std::string& what) {
  std::ofstream(folder / "m.onnx", std::ios::binary) << model.SerializeAsString();
  const auto result = compile(folder / "m.onnx", options);
  if (result.ok()) return true;
  EXPECT_THAT(result.error().message, ::testing::StartsWith(folder / "m.onnx")) << what;
  EXPECT_THAT(result.error().message, ::testing::Not(HasSubstr("internal error"))) << what;
  return false;
}

ModelProto model_at(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  ModelProto model;
  EXPECT_TRUE(model.ParseFromString(bytes)) << path;
  return model;
}

class Spoiler {
 public:
  explicit Spoiler(uint64_t seed) : random_(seed) {}

  size_t below(size_t size) { return static_cast<size_t>(random_() % size); }
  float real() { return kFloats[below(std::size(kFloats))]; }
  int64_t integer() { return kInts[below(std::size(kInts))]; }

  void spoil(AttributeProto& attribute) {
    switch (attribute.type()) {
      case AttributeProto::FLOAT: attribute.set_f(real()); break;
      case AttributeProto::INT: attribute.set_i(integer()); break;
      case AttributeProto::STRING: attribute.set_s(kStrings[below(std::size(kStrings))]); break;
      case AttributeProto::FLOATS:
        for (float& value : *attribute.mutable_floats()) value = real();
        break;
      case AttributeProto::INTS:
        if (attribute.ints_size() > 0)
          attribute.set_ints(static_cast<int>(below(static_cast<size_t>(attribute.ints_size()))),
                             integer());
        break;
      case AttributeProto::TENSOR: spoil(*attribute.mutable_t()); break;
      default: break;
    }
  }

  // One float or integer of it, wherever it keeps them.
  void spoil(TensorProto& tensor) {
    for (float& value : *tensor.mutable_float_data()) value = real();
    for (int64_t& value : *tensor.mutable_int64_data()) value = integer();
    std::string& raw = *tensor.mutable_raw_data();
    const float value = real();
    const int64_t number = integer();
    if (tensor.data_type() == TensorProto::FLOAT && raw.size() >= sizeof value)
      std::memcpy(raw.data(), &value, sizeof value);
    if (tensor.data_type() == TensorProto::INT64 && raw.size() >= sizeof number)
      std::memcpy(raw.data(), &number, sizeof number);
  }

 private:
  std::mt19937_64 random_;
};

TEST(NastyModels, attributes_of_node_tests) {
  const std::filesystem::path node_tests = "/usr/share/libonnx-testdata/data/node";
  if (!std::filesystem::exists(node_tests))
    GTEST_SKIP() << "no libonnx-testdata: ONNX's node tests are left out";
  const TempFolder folder;
  Spoiler spoiler(13);
  int tried = 0, compiled = 0;
  for (const std::filesystem::path& path : cases_in(node_tests)) {
    const ModelProto sound = model_at(path / "model.onnx");
    for (int round = 0; round < 3; ++round) {
      ModelProto model = sound;
      auto& graph = *model.mutable_graph();
      if (graph.node_size() == 0) continue;
      auto& node = *graph.mutable_node(
          static_cast<int>(spoiler.below(static_cast<size_t>(graph.node_size()))));
      if (node.attribute_size() == 0) break;
      spoiler.spoil(*node.mutable_attribute(
          static_cast<int>(spoiler.below(static_cast<size_t>(node.attribute_size())))));
      ++tried;
      compiled += compiles(folder, model, options(Precision::Fp32), path);
    }
  }
  EXPECT_GT(tried, 500);
  EXPECT_GT(compiled, 0);
}

// Small ones are epsilons, scales, masks' numbers and shapes: what passes read.
std::vector<TensorProto*> small_constants(ModelProto& model) {
  std::vector<TensorProto*> found;
  const auto add = [&](TensorProto& tensor) {
    int64_t size = 1;
    for (const int64_t dim : tensor.dims()) size *= dim;
    if (size >= 1 && size <= 4) found.push_back(&tensor);
  };
  for (TensorProto& tensor : *model.mutable_graph()->mutable_initializer()) add(tensor);
  for (auto& node : *model.mutable_graph()->mutable_node())
    for (AttributeProto& attribute : *node.mutable_attribute())
      if (attribute.has_t()) add(*attribute.mutable_t());
  return found;
}

void spoil_constants_of(MakeModelOptions sizes, uint64_t seed) {
  const TempFolder folder;
  ASSERT_TRUE(make_model(sizes, folder / "sound.onnx").ok());
  const ModelProto sound = model_at(folder / "sound.onnx");
  Spoiler spoiler(seed);
  int compiled = 0;
  for (int round = 0; round < 150; ++round) {
    ModelProto model = sound;
    const std::vector<TensorProto*> constants = small_constants(model);
    ASSERT_FALSE(constants.empty());
    TensorProto& tensor = *constants[spoiler.below(constants.size())];
    spoiler.spoil(tensor);
    CompileOptions with = options(round % 2 == 0 ? Precision::Fp32 : Precision::Fp16);
    with.input_shape = given("input_ids", {2, 4});
    if (round % 3 == 0) with.pack_args = PackArgs{.max_valid_num = 3, .segment_max_size = 4};
    compiled += compiles(folder, model, with, tensor.name());
  }
  EXPECT_GT(compiled, 0);
}

TEST(NastyModels, constants_of_bert) { spoil_constants_of({1, 4, 2, 4, 5, 8, 1}, 1); }

TEST(NastyModels, constants_of_roformer) {
  MakeModelOptions sizes{1, 4, 2, 4, 5, 8, 1};
  sizes.family = ModelFamily::RoFormerV2;
  spoil_constants_of(sizes, 2);
}

// x / √(mean(x²) + eps), with an eps that no root of a mean has.
TEST(NastyModels, an_rms_norm_with_any_epsilon) {
  const TempFolder folder;
  for (const float eps : kFloats) {
    ModelBuilder builder;
    builder.input("x", TensorProto::FLOAT, "4,8");
    builder.floats("two", {2}, {});
    builder.floats("eps", {eps}, {});
    builder.node("Pow", {"x", "two"}, {"square"});
    auto& mean = builder.node("ReduceMean", {"square"}, {"mean"});
    auto& axes = *mean.add_attribute();
    axes.set_name("axes");
    axes.set_type(AttributeProto::INTS);
    axes.add_ints(-1);
    builder.node("Add", {"mean", "eps"}, {"sum"});
    builder.node("Sqrt", {"sum"}, {"root"});
    builder.node("Div", {"x", "root"}, {"y"});
    builder.output("y");
    for (const Precision precision : {Precision::Fp32, Precision::Fp16})
      EXPECT_TRUE(compiles(folder, builder.model, options(precision), std::to_string(eps)));
  }
}

TEST(NastyModels, names_that_are_not_plain_text_are_refused_by_name) {
  const TempFolder folder;
  for (const std::string bad : {"\xff", "a\x1b[2J", "a\nb", "\xc0\xaf"}) {
    for (const int where : {0, 1, 2, 3, 4}) {
      ModelBuilder builder;
      builder.input(where == 0 ? bad : "x", TensorProto::FLOAT, "4,8");
      builder.floats(where == 1 ? bad : "w", {1}, {});
      builder.node("Add", {where == 0 ? bad : "x", where == 1 ? bad : "w"},
                   {where == 2 ? bad : "y"}, where == 3 ? bad : "n");
      builder.output(where == 2 ? bad : "y");
      if (where == 4) builder.graph().set_name(bad);
      EXPECT_THAT(imported(builder), HasSubstr("': its name must be UTF-8 without control"));
    }
  }
}

TEST(NastyModels, a_name_that_is_too_long_is_refused) {
  ModelBuilder builder;
  builder.input("x", TensorProto::FLOAT, "4,8");
  builder.node("Relu", {"x"}, {std::string(5000, 'y')});
  builder.output(std::string(5000, 'y'));
  EXPECT_THAT(imported(builder), HasSubstr("its name has 5000 bytes, must have at most 2048"));
}

TEST(NastyModels, a_symbol_that_is_not_plain_text_is_no_reason_to_stop) {
  const TempFolder folder;
  ModelBuilder builder;
  builder.input("x", TensorProto::FLOAT, "\xff\x1b,8");
  builder.node("Relu", {"x"}, {"y"});
  builder.output("y");
  CompileOptions with = options(Precision::Fp32);
  with.input_shape = given("x", {4, 8});
  EXPECT_TRUE(compiles(folder, builder.model, with, "symbol"));
}

}  // namespace
}  // namespace tessera::test
