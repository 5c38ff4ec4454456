// SPDX-License-Identifier: Apache-2.0
// Nodes, numbers and weights of a random model, each with a name of its own.
#pragma once

#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/compiler/onnx/builder.h"

namespace tessera::fuzz {

using ::onnx::AttributeProto;
using ::onnx::NodeProto;
using ::onnx::TensorProto;
using test::Ints;
using test::Names;

class EncoderWriter {
 protected:
  explicit EncoderWriter(uint64_t seed) : random_(seed), model_(17) {}

  int64_t below(int64_t limit) {
    return static_cast<int64_t>(random_() % static_cast<uint64_t>(limit));
  }
  using Choice = std::function<std::string()>;
  std::string one_of(const std::vector<Choice>& choices) {
    return choices[static_cast<size_t>(below(std::ssize(choices)))]();
  }

  // One node, its result's name.
  std::string put(const std::string& op, const Names& in) { return put(op, in, {}); }
  std::string put(const std::string& op, const Names& in,
                  const std::vector<std::pair<std::string, Ints>>& attributes) {
    const std::string name = op + "_" + std::to_string(next_++);
    NodeProto& node = model_.node(op, in, {name}, name);
    for (const auto& [key, values] : attributes) {
      AttributeProto& attribute = *node.add_attribute();
      attribute.set_name(key);
      const bool is_list = key == "perm" || key == "axes" || key == "pads";
      attribute.set_type(is_list ? AttributeProto::INTS : AttributeProto::INT);
      for (const int64_t value : values)
        is_list ? attribute.add_ints(value) : attribute.set_i(value);
    }
    return name;
  }
  std::string named(const std::string& value, const std::string& name) {
    model_.node("Identity", {value}, {name}, name);
    return name;
  }
  std::string cast(const std::string& value, int32_t to) {
    return put("Cast",
               {
                   value
    },
               {{"to", {to}}});
  }
  std::string number(float value) {
    const std::string name = "number_" + std::to_string(next_++);
    model_.floats(name, {value}, {});
    return name;
  }
  std::string integer(int64_t value) {
    const std::string name = "integer_" + std::to_string(next_++);
    model_.ints(name, {value}, true);
    return name;
  }
  std::string axes(const Ints& values) {
    const std::string name = "axes_" + std::to_string(next_++);
    model_.ints(name, values);
    return name;
  }
  std::string constant(const std::vector<float>& values, const Ints& dims) {
    const std::string name = "constant_" + std::to_string(next_++);
    model_.floats(name, values, dims);
    return name;
  }
  std::string weights(const Ints& dims, float size = 0.7F) {
    int64_t count = 1;
    for (const int64_t dim : dims) count *= dim;
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i)
      values.push_back(size * (static_cast<float>(below(2001)) / 1000 - 1));
    const std::string name = "weights_" + std::to_string(next_++);
    model_.floats(name, values, dims);
    return name;
  }

  std::mt19937_64 random_;
  test::ModelBuilder model_;

 private:
  int64_t next_ = 0;
};

}  // namespace tessera::fuzz
