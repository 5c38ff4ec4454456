// SPDX-License-Identifier: Apache-2.0
// Functions that a model brings along (FunctionProto), each call as a graph of its own: the body,
// with the call's attributes where the body refers to them.
//
// A file is not trusted. A function that reaches itself is refused, and so are bodies that hold
// more nodes than a model may have, or take more memory, all calls together: each function may call
// the one before it twice.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "onnx.pb.h"
#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

class Functions {
 public:
  using Attributes = std::map<std::string, const ::onnx::AttributeProto*>;

  Functions(std::shared_ptr<const ::onnx::ModelProto> model, const Limits& limits);

  // Null where the model has no function for the node.
  const ::onnx::FunctionProto* find(const ::onnx::NodeProto& node) const;
  // The body of the function, with the attributes of this call. It lives as long as owner().
  Expected<const ::onnx::GraphProto*> enter(const ::onnx::FunctionProto& function,
                                            const ::onnx::NodeProto& call);
  void leave() { active_.pop_back(); }
  std::shared_ptr<const void> owner() const { return kept_; }

 private:
  struct Kept {
    std::shared_ptr<const ::onnx::ModelProto> model;
    std::deque<::onnx::GraphProto> bodies;
    std::deque<::onnx::AttributeProto> defaults;
  };
  // The attributes that a function may be called with, and the values of those that have one.
  struct Declared {
    std::set<std::string> names;
    Attributes defaults;
  };
  Expected<const Declared*> declared(const ::onnx::FunctionProto& function);
  Status check_call(const ::onnx::FunctionProto& function, const ::onnx::NodeProto& call) const;

  // Counts what a call costs, before it is paid.
  Status pay(const ::onnx::FunctionProto& function, const Attributes& given, bool copied);

  std::shared_ptr<Kept> kept_;
  Limits limits_;
  std::map<std::pair<std::string, std::string>, const ::onnx::FunctionProto*> functions_;
  std::map<const ::onnx::FunctionProto*, Declared> declared_;
  std::map<const ::onnx::FunctionProto*, const ::onnx::GraphProto*> same_for_all_;
  std::vector<const ::onnx::FunctionProto*> active_;
  int64_t nodes_ = 0, messages_ = 0, bytes_ = 0;
};

}  // namespace tessera
