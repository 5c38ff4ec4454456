// SPDX-License-Identifier: Apache-2.0
// Twice as large a model is twice as much work, whatever its form: import, passes, planning,
// lowering, verification, cost and memory together. Work is the basic blocks that ran, so one loop
// over the graph within another fails here on any machine, however fast.
#include <gtest/gtest.h>

#include <functional>

#include "compiler/compile.h"
#include "tests/compiler/onnx/builder.h"

namespace {
int64_t blocks = 0;
}
extern "C" void __sanitizer_cov_trace_pc() { ++blocks; }

namespace tessera::test {
namespace {

struct Family {
  const char* name;
  void (*build)(ModelBuilder& model, int n);
  int n = 1000;  // compiled at n and at 2 n
};

std::string numbered(const std::string& name, int i) { return name + std::to_string(i); }

void chain(ModelBuilder& model, const std::string& op, int n, const Names& beside = {}) {
  model.input("x", TensorProto::FLOAT, "1,8").floats("c", {1.5f}, {});
  for (int i = 0; i < n; ++i) {
    Names in{i == 0 ? "x" : numbered("v", i - 1)};
    in.insert(in.end(), beside.begin(), beside.end());
    model.node(op, in, {numbered("v", i)});
  }
  model.node("Softmax", {numbered("v", n - 1)}, {"y"});
  model.output("y");
}

void relus(ModelBuilder& model, int n) { chain(model, "Relu", n); }
void signs(ModelBuilder& model, int n) { chain(model, "Sign", n); }
void products(ModelBuilder& model, int n) { chain(model, "Mul", n, {"c"}); }
void sums(ModelBuilder& model, int n) { chain(model, "Add", n, {"c"}); }

// 2^n uses of x by as many nodes as n.
void shared(ModelBuilder& model, const std::string& op, int n) {
  model.input("x", TensorProto::FLOAT, "1,8");
  for (int i = 0; i < n; ++i) {
    const std::string before = i == 0 ? "x" : numbered("v", i - 1);
    model.node(op, {before, before}, {numbered("v", i)});
  }
  model.node("Softmax", {numbered("v", n - 1)}, {"y"});
  model.output("y");
}
void shared_sums(ModelBuilder& model, int n) { shared(model, "Add", n); }
void shared_products(ModelBuilder& model, int n) { shared(model, "Mul", n); }

void constants(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "1,8");
  for (int i = 0; i < n; ++i) {
    const auto value = static_cast<float>(i);
    model.floats(numbered("c", i), {value, 1, 2, 3, 4, 5, 6, 7}, {1, 8});
    model.node("Add", {i == 0 ? "x" : numbered("v", i - 1), numbered("c", i)}, {numbered("v", i)});
  }
  model.output(numbered("v", n - 1));
}

// Constants of n layouts, each placed by itself. They are few, as each is larger than the one
// before.
void layouts(ModelBuilder& model, int n) {
  for (int i = 0; i < n; ++i) {
    const std::string x = numbered("x", i), c = numbered("c", i), y = numbered("y", i);
    model.input(x, TensorProto::FLOAT, std::to_string(i + 2));
    std::vector<float> values(static_cast<size_t>(i + 2), 1);
    values[0] = 2;
    model.floats(c, values, {i + 2});
    model.node("Mul", {x, c}, {y});
    model.output(y);
  }
}

void fan_out(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "1,8");
  model.node("Tanh", {"x"}, {"h"});
  for (int i = 0; i < n; ++i)
    model.node("Add", {"h", i == 0 ? "h" : numbered("v", i - 1)}, {numbered("v", i)});
  model.output(numbered("v", n - 1));
}

void fan_in(ModelBuilder& model, int n) {
  Names names;
  for (int i = 0; i < n; ++i) {
    names.push_back(numbered("x", i));
    model.input(names.back(), TensorProto::FLOAT, "8");
  }
  model.node("Sum", names, {"y"});
  model.output("y");
}

void joined(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "1,8");
  Names names;
  for (int i = 0; i < n; ++i) {
    names.push_back(numbered("v", i));
    model.node(i % 2 == 0 ? "Tanh" : "Exp", {i < 2 ? "x" : numbered("v", i - 2)}, {names.back()});
  }
  set_attribute(model.node("Concat", names, {"y"}), "axis", int64_t{0});
  model.output("y");
}

void outputs(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "1,8");
  for (int i = 0; i < n; ++i) {
    model.node("Tanh", {i == 0 ? "x" : numbered("v", i - 1)}, {numbered("v", i)});
    model.output(numbered("v", i));
  }
}

void equal_outputs(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "1,8");
  for (int i = 0; i < n; ++i) {
    model.node("Tanh", {"x"}, {numbered("v", i)});
    model.output(numbered("v", i));
  }
}

void slices(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, std::to_string(n + 8) + ",4");
  model.ints("start", {1}).ints("end", {1 << 30}).ints("axis", {0});
  for (int i = 0; i < n; ++i)
    model.node("Slice", {i == 0 ? "x" : numbered("v", i - 1), "start", "end", "axis"},
               {numbered("v", i)});
  model.node("Tanh", {numbered("v", n - 1)}, {"y"});
  model.output("y");
}

// Pairs that undo each other, each within the next, and views of views that do not.
void nest(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "4,16").ints("tall", {16, 4}).ints("wide", {4, 16});
  std::string at = "x";
  const auto node = [&](const std::string& op, const Names& more, int i) {
    Names in{at};
    in.insert(in.end(), more.begin(), more.end());
    at = numbered(op, i);
    model.node(op, in, {at});
  };
  for (int i = 0; i < n; ++i) {
    node("Reshape", {"tall"}, i);
    node("Transpose", {}, i);
  }
  for (int i = n; i < 2 * n; ++i) {
    node("Transpose", {}, i);
    node("Reshape", {"wide"}, i);
  }
  model.node("Tanh", {at}, {"y"});
  model.output("y");
}

void lookups(ModelBuilder& model, int n) {
  model.input("x", TensorProto::INT64, "1,4").ints("places", {0, 1, 2, 3});
  model.floats("table", std::vector<float>(64, 0.5f), {8, 8}).set_name("table");
  model.node("Gather", {"table", "x"}, {"v0"});
  for (int i = 1; i <= n; ++i) {
    model.node("Gather", {"table", "places"}, {numbered("p", i)});
    model.node("Add", {numbered("v", i - 1), numbered("p", i)}, {numbered("v", i)});
  }
  model.output(numbered("v", n));
}

void layers(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "4,8").floats("eps", {1e-6f}, {});
  model.floats("two", {2}, {});
  for (int i = 0; i < n; ++i) {
    const auto name = [i](const char* what) { return numbered(what, i); };
    const std::string x = i == 0 ? "x" : numbered("out", i - 1);
    std::vector<float> weights(64, 0.25f);
    weights[0] = static_cast<float>(i);
    model.floats(name("weight"), weights, {8, 8});
    model.floats(name("bias"), {1, 2, 3, 4, 5, 6, 7, static_cast<float>(i)}, {8});
    const auto mean = [&](const Names& in, const Names& out) {
      set_attribute(model.node("ReduceMean", in, out), "axes", Ints{-1});
    };
    mean({x}, {name("mean")});
    model.node("Sub", {x, name("mean")}, {name("centered")});
    model.node("Pow", {name("centered"), "two"}, {name("squared")});
    mean({name("squared")}, {name("variance")});
    model.node("Add", {name("variance"), "eps"}, {name("above")});
    model.node("Sqrt", {name("above")}, {name("deviation")});
    model.node("Div", {name("centered"), name("deviation")}, {name("norm")});
    model.node("Mul", {name("norm"), name("bias")}, {name("scaled")});
    model.node("Add", {name("scaled"), name("bias")}, {name("normal")});
    model.node("MatMul", {name("normal"), name("weight")}, {name("product")});
    model.node("Add", {name("product"), name("bias")}, {name("linear")});
    model.node("Softmax", {name("linear")}, {name("softmax")});
    model.node("Add", {name("softmax"), x}, {name("out")});
  }
  model.output(numbered("out", n - 1));
}

constexpr Family kFamilies[] = {
    {"relus", relus},
    {"signs", signs},
    {"products", products},
    {"sums", sums},
    {"shared_sums", shared_sums},
    {"shared_products", shared_products},
    {"constants", constants},
    {"layouts", layouts, 150},
    {"fan_out", fan_out},
    {"fan_in", fan_in},
    {"joined", joined},
    {"outputs", outputs},
    {"equal_outputs", equal_outputs},
    {"slices", slices},
    {"nest", nest},
    {"lookups", lookups},
    {"layers", layers, 60},
};

class Growth : public ::testing::TestWithParam<Family> {};

int64_t work(const Family& family, int n, Precision precision) {
  const TempFolder folder;
  ModelBuilder model;
  family.build(model, n);
  const std::string path = model.save(folder);
  CompileOptions options;
  options.precision = precision;
  options.target.tiles = 16;  // what a superstep costs by tile is not what is asked
  const int64_t before = blocks;
  const auto result = compile(path, options);
  EXPECT_TRUE(result) << result.error().message;
  return blocks - before;
}

TEST_P(Growth, twice_the_model_is_twice_the_work) {
  for (const Precision precision : {Precision::Fp32, Precision::Fp16}) {
    const int64_t once = work(GetParam(), GetParam().n, precision);
    const int64_t twice = work(GetParam(), 2 * GetParam().n, precision);
    EXPECT_GT(once, 1000) << "nothing was counted";
    // n log n, and no more: four times as much would be a loop in a loop.
    EXPECT_LE(static_cast<double>(twice), 2.1 * static_cast<double>(once)) << once;
  }
}

std::string name_of(const ::testing::TestParamInfo<Family>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(, Growth, ::testing::ValuesIn(kFamilies), name_of);

}  // namespace
}  // namespace tessera::test
