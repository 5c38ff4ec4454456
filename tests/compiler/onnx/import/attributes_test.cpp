// SPDX-License-Identifier: Apache-2.0
// Numbers that no exporter means, in every attribute that holds one: refused by name, or compiled
// and run. Nothing else may happen.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "compiler/compile.h"
#include "compiler/onnx/import/op_table.h"
#include "executor/model_runner.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kNasty[] = {kInfinity, -kInfinity, kNaN, -0.0f, 3e38f, -3e38f, 1e-45f, -1.0f};

constexpr int32_t kFloat = TensorProto::FLOAT;

// A model of one node, with operands of these names as inputs.
using Operands = std::vector<std::pair<std::string, std::string>>;  // name and dimensions
struct Sample {
  std::string domain, op;
  Operands operands;
  std::function<void(::onnx::NodeProto&)> more = [](::onnx::NodeProto&) {};
};

::onnx::AttributeProto& attribute(::onnx::NodeProto& node, const std::string& name,
                                  ::onnx::AttributeProto::AttributeType type) {
  ::onnx::AttributeProto& added = *node.add_attribute();
  added.set_name(name);
  added.set_type(type);
  return added;
}

void pad_by_one(::onnx::NodeProto& node) {
  auto& pads = attribute(node, "pads", ::onnx::AttributeProto::INTS);
  for (const int64_t pad : {0, 1, 0, 1}) pads.add_ints(pad);
}

const Operands kTwo = {
    {"a", "4,8"},
    {"b", "8,8"}
};
const Operands kNorm = {
    {"x", "4,8"},
    {"g", "8"  },
    {"b", "8"  }
};
const Operands kSkip = {
    {"x", "2,4,8"},
    {"y", "2,4,8"},
    {"g", "8"    },
    {"b", "8"    }
};
const Operands kQkv = {
    {"x", "2,4,8"},
    {"w", "8,24" },
    {"b", "24"   }
};
const Operands kHeads = {
    {"q", "2,4,8"},
    {"k", "2,4,8"},
    {"v", "2,4,8"}
};
const Operands kPrompt = {
    {"q",    "1,4,8"},
    {"k",    "1,4,8"},
    {"v",    "1,4,8"},
    {"past", ""     },
    {"too",  ""     },
    {"i",    "1"    },
    {"i2",   "1"    }
};

const std::vector<Sample> kOfOnnx = {
    {"", "Clip", {{"x", "4,8"}}},
    {"", "Dropout", {{"x", "4,8"}}},
    {"", "Pad", {{"x", "4,8"}}, pad_by_one},
    {"", "Constant", {}},
    {"", "Gemm", kTwo},
    {"", "LayerNormalization", kNorm},
    {"", "SimplifiedLayerNormalization", {{"x", "4,8"}, {"g", "8"}}},
    {"", "Attention", {{"q", "1,2,4,8"}, {"k", "1,2,4,8"}, {"v", "1,2,4,8"}}},
    {"",
     "GroupNormalization", {{"x", "2,4,8"}, {"g", "2"}, {"b", "2"}},
     [](::onnx::NodeProto& node) { set_attribute(node, "num_groups", int64_t{2}); }},
    {"", "RMSNormalization", {{"x", "4,8"}, {"g", "8"}}},
    {"", "Swish", {{"x", "4,8"}}},
    {"", "BatchNormalization", {{"x", "4,8"}, {"g", "8"}, {"b", "8"}, {"m", "8"}, {"v", "8"}}},
    {"", "InstanceNormalization", {{"x", "4,8,2"}, {"g", "8"}, {"b", "8"}}},
    {"", "Resize", {{"x", "4,8"}}},
    {"", "Upsample", {{"x", "4,8"}}},
    {"", "Celu", {{"x", "4,8"}}},
    {"", "Elu", {{"x", "4,8"}}},
    {"", "HardSigmoid", {{"x", "4,8"}}},
    {"", "LeakyRelu", {{"x", "4,8"}}},
    {"", "Selu", {{"x", "4,8"}}},
    {"", "Shrink", {{"x", "4,8"}}},
    {"", "ThresholdedRelu", {{"x", "4,8"}}},
};

const std::vector<Sample> kOfMicrosoft = {
    {"com.microsoft", "LayerNormalization", kNorm},
    {"com.microsoft", "FusedGemm", kTwo},
    {"com.microsoft", "FusedMatMul", kTwo},
    {"com.microsoft", "SkipLayerNormalization", kSkip},
    {"com.microsoft",
     "SkipSimplifiedLayerNormalization", {{"x", "2,4,8"}, {"y", "2,4,8"}, {"g", "8"}}},
    {"com.microsoft", "SimplifiedLayerNormalization", {{"x", "4,8"}, {"g", "8"}}},
    {"com.microsoft", "TransposeMatMul", kTwo},
    {"com.microsoft",
     "RotaryEmbedding", {{"x", "1,4,8"}, {"i", "1,4"}, {"c", "9,4"}, {"s", "9,4"}}},
    {"com.microsoft", "GroupQueryAttention", kPrompt,
     [](::onnx::NodeProto& node) {
       set_attribute(node, "num_heads", int64_t{2});
       set_attribute(node, "kv_num_heads", int64_t{2});
     }},
    {"com.microsoft",
     "PackedAttention", {{"x", "4,8"}, {"w", "8,24"}, {"b", "24"}, {"i", "1,4"}, {"i2", "2"}}},
    {"com.microsoft",
     "PackedMultiHeadAttention", {{"q", "4,8"}, {"k", "4,8"}, {"v", "4,8"}, {"b", ""}, {"i", "1,4"}, {"i2", "2"}}},
    {"com.microsoft", "QuickGelu", {{"x", "4,8"}}},
    {"com.microsoft", "MultiHeadAttention", kHeads,
     [](::onnx::NodeProto& node) { set_attribute(node, "num_heads", int64_t{2}); }},
    {"com.microsoft",
     "EmbedLayerNormalization", {{"i", "2,4"}, {"s", ""}, {"w", "9,8"}, {"p", "4,8"}, {"t", ""}, {"g", "8"}, {"b", "8"}}},
    {"com.microsoft", "Attention", kQkv,
     [](::onnx::NodeProto& node) { set_attribute(node, "num_heads", int64_t{2}); }},
    {"com.microsoft",
     "QAttention", {{"q", "1,4,8"},
      {"w", "8,24"},
      {"b", "24"},
      {"xs", ""},
      {"ws", ""},
      {"m", "1,4"},
      {"xz", ""},
      {"wz", ""}},
     [](::onnx::NodeProto& node) { set_attribute(node, "num_heads", int64_t{2}); }},
};

const std::vector<Sample> kOfGraphcore = {
    {"ai.graphcore", "LayerNormalization", kNorm},
    {"ai.graphcore", "RMSNormalization", {{"x", "4,8"}, {"g", "8"}}},
    {"ai.graphcore", "Attention", kHeads,
     [](::onnx::NodeProto& node) {
       set_attribute(node, "heads", int64_t{2});
       set_attribute(node, "mask", "none");
     }},
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    std::vector<Sample> joined = kOfOnnx;
    joined.insert(joined.end(), kOfMicrosoft.begin(), kOfMicrosoft.end());
    joined.insert(joined.end(), kOfGraphcore.begin(), kOfGraphcore.end());
    return joined;
  }();
  return all;
}

// The names of a row's attributes that hold a float.
std::vector<std::string> float_attributes(const OnnxOp& op) {
  std::vector<std::string> names;
  std::istringstream words{std::string(op.attrs)};
  for (std::string word; words >> word;) {
    const std::string kind = word.substr(word.find(':') + 1);
    if (kind == "float" || kind == "real" || kind == "number" || kind == "floats")
      names.push_back(word.substr(0, word.find(':')));
  }
  return names;
}

ModelBuilder model_of(const Sample& sample, const std::string& name, float value) {
  ModelBuilder builder(sample.op == "Clip" || sample.op == "Pad" ? 9 : 13);
  if (!sample.domain.empty()) {
    auto& import = *builder.model.add_opset_import();
    import.set_domain(sample.domain);
    import.set_version(1);
  }
  Names in;
  for (const auto& [operand, dims] : sample.operands) {
    in.push_back(dims.empty() ? "" : operand);
    if (!dims.empty())
      builder.input(operand, operand == "i" ? int32_t{TensorProto::INT32} : kFloat, dims);
  }
  ::onnx::NodeProto& node = builder.node(sample.op, in, {"out"});
  node.set_domain(sample.domain);
  sample.more(node);
  if (name == "value_floats") {
    attribute(node, name, ::onnx::AttributeProto::FLOATS).add_floats(value);
  } else if (name == "value") {
    auto& tensor = *attribute(node, name, ::onnx::AttributeProto::FLOAT).mutable_t();
    static_cast<void>(tensor);
    node.mutable_attribute()->rbegin()->set_f(value);
  } else {
    attribute(node, name, ::onnx::AttributeProto::FLOAT).set_f(value);
  }
  builder.output("out");
  return builder;
}

CompileOptions on_four_tiles(Precision precision) {
  CompileOptions options;
  options.target.tiles = 4;
  options.precision = precision;
  return options;
}

// Ones into every input. What comes out is the model's matter.
Status run_on_ones(Executable executable) {
  const auto shared = std::make_shared<const Executable>(std::move(executable));
  const auto runner = TRY(ModelRunner::create(shared, {.threads = 1}));
  std::map<std::string, std::vector<std::byte>> bytes;
  InputViews inputs;
  OutputViews outputs;
  for (const Anchor& anchor : shared->metadata.anchors) {
    auto& one = bytes[anchor.name];
    one.resize(static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype)), std::byte{0});
    if (anchor.kind == AnchorKind::Input)
      inputs[anchor.name] = {anchor.dtype, false, anchor.shape, one};
    else
      outputs[anchor.name] = {anchor.dtype, anchor.shape, one};
  }
  return runner->run(inputs, outputs);
}

TEST(NastyAttributes, every_op_that_takes_a_float_has_a_sample) {
  for (const OnnxOp& op : all_onnx_ops()) {
    if (float_attributes(op).empty()) continue;
    const auto is = [&](const Sample& s) { return s.op == op.name && s.domain == op.domain; };
    EXPECT_TRUE(std::ranges::any_of(samples(), is)) << op.domain << " " << op.name;
  }
}

TEST(NastyAttributes, are_refused_by_name_or_compiled_and_run) {
  const TempFolder folder;
  int refused = 0, ran = 0;
  for (const Sample& sample : samples()) {
    const OnnxOp* op = find_onnx_op(sample.domain, sample.op);
    ASSERT_NE(op, nullptr) << sample.op;
    for (const std::string& name : float_attributes(*op)) {
      for (const float value : kNasty) {
        const std::string path = model_of(sample, name, value).save(folder);
        for (const Precision precision : {Precision::Fp32, Precision::Fp16}) {
          const std::string what = sample.op + " " + name + " = " + std::to_string(value);
          auto result = compile(path, on_four_tiles(precision));
          if (!result.ok()) {
            ++refused;
            EXPECT_THAT(result.error().message, HasSubstr("(" + sample.op + ")")) << what;
            EXPECT_THAT(result.error().message, ::testing::Not(HasSubstr("internal"))) << what;
            continue;
          }
          ++ran;
          const Status status = run_on_ones(std::move(result->executable));
          EXPECT_TRUE(status.ok()) << what << ": " << status.error().message;
        }
      }
    }
  }
  EXPECT_GT(refused, 50);
  EXPECT_GT(ran, 50);
}

TEST(NastyAttributes, an_infinite_one_is_named_with_its_node) {
  const Sample& clip = samples()[5];
  EXPECT_EQ(imported(model_of(clip, "epsilon", kInfinity)),
            "node 'n' (LayerNormalization): attribute 'epsilon' is inf, must be finite");
}

TEST(NastyAttributes, bounds_and_padding_may_be_infinite) {
  EXPECT_THAT(imported(model_of(samples()[0], "min", -kInfinity)), HasSubstr("return"));
  EXPECT_THAT(imported(model_of(samples()[2], "value", -kInfinity)), HasSubstr("return"));
}

}  // namespace
}  // namespace tessera::test
