// SPDX-License-Identifier: Apache-2.0
#include "tests/check/encoder.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "check/check.h"

namespace tessera::test {

std::vector<float> numbers(int64_t count, int64_t seed) {
  std::vector<float> values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(static_cast<float>((i * 37 + seed * 11) % 23 - 11) / 11);
  return values;
}

ModelBuilder encoder() {
  ModelBuilder m;
  m.input("input_ids", TensorProto::INT64, "2,16");
  m.input("attention_mask", TensorProto::INT64, "2,16").output("answer");
  m.floats("words", numbers(kWords * kHidden, 1), {kWords, kHidden});
  m.floats("w", numbers(kHidden * kHidden, 2), {kHidden, kHidden});
  m.floats("one", {1}, {});
  m.floats("low", {-1e10F}, {});
  m.floats("scale", {0.35F}, {});
  m.floats("least", {1e-9F}, {});
  m.floats("zero", {0}, {});
  m.ints("heads", {0, 0, 1, kHidden}).ints("joined", {0, 0, kHidden});
  m.ints("axes12", {1, 2}).ints("axis2", {2}).ints("axis1", {1}).ints("first", {0}, true);
  m.node("Gather", {"words", "input_ids"}, {"x"});
  m.node("MatMul", {"x", "w"}, {"q"});
  m.node("Reshape", {"q", "heads"}, {"q4"});
  m.node("Reshape", {"x", "heads"}, {"x4"});
  set_attribute(m.node("Transpose", {"q4"}, {"qh"}), "perm", Ints{0, 2, 1, 3});
  set_attribute(m.node("Transpose", {"x4"}, {"kt"}), "perm", Ints{0, 2, 3, 1});
  set_attribute(m.node("Transpose", {"x4"}, {"vh"}), "perm", Ints{0, 2, 1, 3});
  set_attribute(m.node("Cast", {"attention_mask"}, {"mf"}), "to", int64_t{TensorProto::FLOAT});
  m.node("Unsqueeze", {"mf", "axes12"}, {"m4"});
  m.node("Unsqueeze", {"mf", "axis2"}, {"m"});
  m.node("Sub", {"one", "m4"}, {"hidden"});
  m.node("Mul", {"hidden", "low"}, {"penalty"});
  m.node("MatMul", {"qh", "kt"}, {"scores"});
  m.node("Mul", {"scores", "scale"}, {"scaled"});
  m.node("Add", {"scaled", "penalty"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("MatMul", {"weights", "vh"}, {"seen"});
  set_attribute(m.node("Transpose", {"seen"}, {"back"}), "perm", Ints{0, 2, 1, 3});
  m.node("Reshape", {"back", "joined"}, {"a"});
  m.node("Add", {"x", "a"}, {"y"});
  return m;
}

void expect_each_request_is_right(const ModelBuilder& m, const OtherInputs& others,
                                  const Names& forms, const std::map<std::string, Shape>& shapes) {
  const TempFolder folder;
  CheckOptions options;
  options.compile.input_shape = shapes;
  options.machine.threads = 1;
  for (int32_t length = 1; length <= 16; ++length) {
    Request request;
    for (int32_t i = 0; i < length; ++i)
      request.tokens["input_ids"].push_back((length * 7 + i * 3) % kWords);
    for (const auto& [name, each] : others)
      for (int32_t i = 0; i < length * each; ++i)
        request.tokens[name].push_back((length + i * 5 + i / each) % kOthers);
    options.requests.emplace_back(std::to_string(length), request);
  }
  options.random_requests = 0;
  const auto report = check_model(m.save(folder), options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  EXPECT_TRUE(report->all_well());
  for (const std::string& name : forms) {
    int64_t compared = 0;
    for (const OutputError& error : report->outputs) {
      if (word_of_form(error.form) != name) continue;
      compared += error.answers;
      EXPECT_LT(error.largest, 1e-5);
      EXPECT_GT(error.magnitude, 0.01);
    }
    const auto form = std::ranges::find(
        report->forms, name, [](const FormVerdict& verdict) { return word_of_form(verdict.form); });
    ASSERT_NE(form, report->forms.end());
    EXPECT_EQ(form->why_not, "");
    EXPECT_EQ(compared, 16);
  }
}

}  // namespace tessera::test
