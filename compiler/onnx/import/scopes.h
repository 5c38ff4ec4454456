// SPDX-License-Identifier: Apache-2.0
// The values that names stand for while a model is imported. Its graph, each branch and each
// function body is a scope. A branch sees the names around it, a function sees its operands alone.
// A scope takes its names along when it ends, so siblings may use one name for two values.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/onnx/import/call.h"
#include "onnx.pb.h"

namespace tessera {

// An initializer that nobody has asked for yet: the one or the other.
struct Initializer {
  const ::onnx::TensorProto* dense = nullptr;
  const ::onnx::SparseTensorProto* sparse = nullptr;
};

class Scopes {
 public:
  Scopes() { open(false); }
  void open(bool sees_around) { scopes_.push_back({sees_around, {}, {}}); }
  void close() { scopes_.pop_back(); }
  size_t depth() const { return scopes_.size(); }

  bool contains(const std::string& name) const;
  // Null where it is not known; so is an initializer that has no value yet.
  const OnnxValue* value(const std::string& name) const;
  const Initializer* initializer(const std::string& name) const;
  // Names a value in the innermost scope, or an initializer in the scope that has it.
  void set(const std::string& name, const OnnxValue& value);
  // False where the name exists already.
  bool add(const std::string& name, const Initializer& initializer);

 private:
  struct Scope {
    bool sees_around;
    std::unordered_map<std::string, OnnxValue> values;
    std::unordered_map<std::string, Initializer> initializers;
  };
  // The innermost that is seen and holds it in `map`, or none.
  template <class Map>
  const typename Map::mapped_type* find(Map Scope::* map, const std::string& name) const;

  std::vector<Scope> scopes_;
};

}  // namespace tessera
