// SPDX-License-Identifier: Apache-2.0
// Four times as large a model is four times as much work, whatever its form: for the import, for
// each pass of passes.def, for fusion, planning and lowering, for verification and for cost. Work
// is the basic blocks that ran, so one loop over the graph within another fails here on any
// machine, however fast, and is named.
#include <gtest/gtest.h>

#include <functional>
#include <tuple>

#include "codelets/codelet.h"
#include "compiler/lower/lower.h"
#include "compiler/onnx/import/import.h"
#include "compiler/onnx/make/make_model.h"
#include "cost/cost.h"
#include "ir/verify.h"
#include "passes/pipeline.h"
#include "program/isolation.h"
#include "program/verify.h"
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
  int n = 500;  // compiled at n and at 4 n
};
void PrintTo(const Family& family, std::ostream* out) { *out << family.name; }

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
    const int thousands = i / 1024;
    const auto low = static_cast<float>(i % 1024), high = static_cast<float>(thousands);
    model.floats(numbered("c", i), {low, high, 2, 3, 4, 5, 6, 7}, {1, 8});
    model.node("Add", {i == 0 ? "x" : numbered("v", i - 1), numbered("c", i)}, {numbered("v", i)});
  }
  model.output(numbered("v", n - 1));
}

// Constants of n layouts, each placed by itself: no two have the same length.
void layouts(ModelBuilder& model, int n) {
  for (int i = 0; i < n; ++i) {
    const std::string x = numbered("x", i), c = numbered("c", i), y = numbered("y", i);
    const int length = 2000 + i;
    model.input(x, TensorProto::FLOAT, std::to_string(length));
    std::vector<float> values(static_cast<size_t>(length), 1);
    values[0] = 2;
    model.floats(c, values, {length});
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

// Softmaxes of every sum in a chain of products: each looks like an attention with more masks than
// the one before.
void scores(ModelBuilder& model, int n) {
  model.input("x", TensorProto::FLOAT, "1,2,4,4");
  std::string sum, all;
  for (int i = 0; i < n; ++i) {
    const auto name = [i](const char* what) { return numbered(what, i); };
    model.node("MatMul", {"x", i == 0 ? "x" : numbered("joined", i - 1)}, {name("product")});
    if (i > 0) model.node("Add", {sum, name("product")}, {name("sum")});
    sum = name(i == 0 ? "product" : "sum");
    model.node("Softmax", {sum}, {name("softmax")});
    model.node("MatMul", {name("softmax"), "x"}, {name("seen")});
    set_attribute(model.node("Transpose", {name("seen")}, {name("turned")}), "perm",
                  Ints{0, 2, 1, 3});
    model.ints(name("shape"), {1, 2, 4, 4});
    model.node("Reshape", {name("turned"), name("shape")}, {name("joined")});
  }
  model.output(numbered("joined", n - 1));
}

constexpr Family kFamilies[] = {
    {"relus", relus},
    {"signs", signs},
    {"products", products},
    {"sums", sums},
    {"shared_sums", shared_sums},
    {"shared_products", shared_products},
    {"constants", constants},
    {"layouts", layouts, 100},
    {"fan_out", fan_out},
    {"fan_in", fan_in},
    {"joined", joined},
    {"outputs", outputs},
    {"equal_outputs", equal_outputs},
    {"slices", slices},
    {"nest", nest, 250},
    {"lookups", lookups},
    // Its weights are numbers of layers, and some hundred layers up fp16 keeps more of them in
    // fp32.
    {"layers", layers, 240},
    {"scores", scores, 200},
};

// Blocks that each step of a compile ran, in the order of the steps.
using Work = std::vector<std::pair<std::string, int64_t>>;

class Counter {
 public:
  template <class F>
  auto run(const std::string& step, F body) {
    const int64_t before = blocks;
    auto result = body();
    EXPECT_TRUE(result.ok()) << step << ": " << result.error().message;
    work.emplace_back(step, blocks - before);
    return result;
  }
  Work work;
};

// As compile() does it; EXPECT_TRUE has said what went wrong where there is less.
Work work_of(const std::string& path, const std::map<std::string, Shape>& shapes,
             PassOptions options) {
  Counter counter;
  auto model = counter.run("import", [&] { return import_onnx(path, shapes); });
  if (!model) return counter.work;
  PassState state;
  options.position_ids = options.packing != PackingForm::None;
  options.whole_mask = options.position_ids;
  state.options = options;
  for (const Pass& pass : all_passes()) {
    if (!pass.runs.holds(options)) continue;
    const auto run = [&]() -> Expected<bool> {
      const bool changed = TRY(pass.run(model->graph, state));
      if (changed) model->graph.remove_dead();
      return changed;
    };
    if (!counter.run(pass.name, run)) return counter.work;
  }
  std::ignore = counter.run("verify the graph", [&] { return verify(model->graph); });
  LowerOptions lowering;
  lowering.target.tiles = 16;  // what a superstep costs by tile is not what is asked
  const auto lowered = counter.run("lower", [&] { return lower(model->graph, lowering); });
  if (!lowered) return counter.work;
  std::ignore =
      counter.run("verify", [&] { return verify_program(lowered->program, check_compute_set); });
  const Limits limits;
  const Deadline deadline(limits);
  WorkLimit for_cost(limits, deadline), for_memory(limits, deadline);
  std::ignore = counter.run("cost", [&] { return program_cost(lowered->program, for_cost); });
  std::ignore = counter.run("memory", [&] { return program_memory(lowered->program, for_memory); });
  return counter.work;
}

// n log n, and no more: sixteen times as much would be a loop in a loop.
void expect_linear(const Work& once, const Work& four_times) {
  constexpr int64_t kOfAnyModel = 20'000;  // blocks, which do not grow with it
  ASSERT_EQ(once.size(), four_times.size());
  int64_t all = 0;
  for (size_t i = 0; i < once.size(); ++i) {
    EXPECT_LE(four_times[i].second, 5 * once[i].second + kOfAnyModel)
        << once[i].first << " ran " << once[i].second << " blocks";
    all += once[i].second;
  }
  EXPECT_GT(all, 1000) << "nothing was counted";
}

class Growth : public ::testing::TestWithParam<Family> {};

TEST_P(Growth, four_times_the_model_is_four_times_the_work) {
  const auto work = [](int n, bool fp16) {
    const TempFolder folder;
    ModelBuilder model;
    GetParam().build(model, n);
    PassOptions options;
    options.fp16 = options.widens_halves = fp16;
    return work_of(model.save(folder), {}, options);
  };
  for (const bool fp16 : {false, true})
    expect_linear(work(GetParam().n, fp16), work(4 * GetParam().n, fp16));
}

std::string name_of(const ::testing::TestParamInfo<Family>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(, Growth, ::testing::ValuesIn(kFamilies), name_of);

TEST(GrowthOfPackedEncoders, is_linear_too) {
  const auto work = [](int layers, const PassOptions& options) {
    const TempFolder folder;
    const std::string path = folder / "bert.onnx";
    const Status made = make_model(
        {.layers = layers, .hidden = 8, .heads = 2, .ffn = 16, .vocab = 16, .max_position = 8},
        path);
    EXPECT_TRUE(made.ok()) << made.error().message;
    const std::map<std::string, Shape> shapes = {
        {"input_ids", {2, 8}}
    };
    return work_of(path, shapes, options);
  };
  PassOptions form_a, form_b;
  form_a.packing = PackingForm::A;
  form_b.packing = PackingForm::B;
  form_a.fp16 = form_a.fp8 = true;
  form_a.widens_halves = form_b.widens_halves = true;
  form_a.max_valid_num = 4;
  form_a.segment_max_size = 8;
  for (const PassOptions& options : {form_a, form_b})
    expect_linear(work(8, options), work(32, options));
}

// Every row of passes.def runs in one of the two.
TEST(GrowthOfPasses, is_asked_of_each) {
  for (const Pass& pass : all_passes()) {
    const auto option = pass.runs.option;
    const bool asked = !option || option == &PassOptions::fp16 || option == &PassOptions::fp8 ||
                       option == &PassOptions::widens_halves ||
                       option == &PassOptions::position_ids || option == &PassOptions::whole_mask;
    EXPECT_TRUE(asked) << pass.name;
  }
}

}  // namespace
}  // namespace tessera::test
