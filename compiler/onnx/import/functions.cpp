// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/functions.h"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>

#include "compiler/onnx/model_file.h"
#include "compiler/onnx/names.h"

namespace tessera {
namespace {

using ::onnx::AttributeProto;
using ::onnx::FunctionProto;
using ::onnx::GraphProto;
using ::onnx::NodeProto;

constexpr size_t kDeepest = 64;  // functions in functions
using Attributes = Functions::Attributes;

std::string plain_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

// Attributes with a value for calls that give none: field 11, which is newer than the schema that
// this is built with, so protobuf keeps its bytes.
Expected<std::vector<AttributeProto>> defaults_of(const FunctionProto& function) {
  constexpr uint32_t kTag = 11 << 3 | 2;
  std::vector<AttributeProto> defaults;
  const std::string& bytes = function.unknown_fields();
  google::protobuf::io::CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                                            static_cast<int>(bytes.size()));
  const Error damaged{"its attributes cannot be read, must be whole and undamaged",
                      ErrorKind::BadFile};
  while (const uint32_t tag = in.ReadTag()) {
    uint64_t number = 0;
    uint32_t fixed = 0, size = 0;
    std::string text;
    AttributeProto attribute;
    bool ok = true;
    switch (tag & 7) {
      case 0: ok = in.ReadVarint64(&number); break;
      case 1: ok = in.ReadLittleEndian64(&number); break;
      case 2: ok = in.ReadVarint32(&size) && in.ReadString(&text, static_cast<int>(size)); break;
      case 5: ok = in.ReadLittleEndian32(&fixed); break;
      default: ok = false;
    }
    if (!ok || (tag == kTag && !attribute.ParseFromString(text))) return damaged;
    if (tag == kTag) defaults.push_back(std::move(attribute));
  }
  return defaults;
}

// The size of an inlined body. `bytes` are the values of the call's attributes, counted once for
// each node that refers to them.
struct Cost {
  int64_t nodes = 0, messages = 0, bytes = 0;
};

void add_cost(const google::protobuf::RepeatedPtrField<NodeProto>& nodes,
              const std::map<std::string, int64_t>& given, Cost& cost) {
  cost.nodes += nodes.size();
  for (const NodeProto& node : nodes) {
    cost.messages += 1 + node.attribute_size();
    for (const AttributeProto& attribute : node.attribute()) {
      if (attribute.has_g()) add_cost(attribute.g().node(), given, cost);
      const auto found = given.find(attribute.ref_attr_name());
      if (found != given.end()) cost.bytes += found->second;
    }
  }
}

bool put_attribute(AttributeProto& attribute, const Attributes& given);

// Puts values where names of the function's attributes stand; what has no value is left out.
void put_attributes(google::protobuf::RepeatedPtrField<NodeProto>& nodes, const Attributes& given) {
  for (NodeProto& node : nodes) {
    auto& attributes = *node.mutable_attribute();
    int kept = 0;
    for (int i = 0; i < attributes.size(); ++i)
      if (put_attribute(attributes[i], given)) attributes.SwapElements(kept++, i);
    attributes.DeleteSubrange(kept, attributes.size() - kept);
  }
}

// Whether it has a value.
bool put_attribute(AttributeProto& attribute, const Attributes& given) {
  if (attribute.has_g()) put_attributes(*attribute.mutable_g()->mutable_node(), given);
  if (attribute.ref_attr_name().empty()) return true;
  const auto found = given.find(attribute.ref_attr_name());
  if (found == given.end()) return false;
  const std::string name = attribute.name();
  attribute = *found->second;
  attribute.set_name(name);
  return true;
}

GraphProto graph_of(const FunctionProto& function, const Attributes& given) {
  GraphProto graph;
  graph.set_name(function.name());
  for (const std::string& name : function.input()) graph.add_input()->set_name(name);
  for (const std::string& name : function.output()) graph.add_output()->set_name(name);
  *graph.mutable_node() = function.node();
  put_attributes(*graph.mutable_node(), given);
  return graph;
}

}  // namespace

Functions::Functions(std::shared_ptr<const ::onnx::ModelProto> model, const Limits& limits)
    : kept_(std::make_shared<Kept>()), limits_(limits) {
  for (const FunctionProto& function : model->functions())
    functions_.try_emplace({plain_domain(function.domain()), function.name()}, &function);
  kept_->model = std::move(model);
}

const FunctionProto* Functions::find(const NodeProto& node) const {
  if (functions_.empty()) return nullptr;
  const auto found = functions_.find({plain_domain(node.domain()), node.op_type()});
  return found == functions_.end() ? nullptr : found->second;
}

Status Functions::check_call(const FunctionProto& function, const NodeProto& call) const {
  if (std::ranges::find(active_, &function) != active_.end())
    return Error{"is a function that calls itself, must not"};
  if (active_.size() >= kDeepest)
    return Error{"is a function within " + std::to_string(active_.size()) +
                 " others, must be within fewer than " + std::to_string(kDeepest)};
  const auto counts = [](const char* what, int has, int most) {
    return Error{"has " + std::to_string(has) + " " + what + ", must have at most the " +
                 std::to_string(most) + " of its function"};
  };
  if (call.input_size() > function.input_size())
    return counts("inputs", call.input_size(), function.input_size());
  if (call.output_size() > function.output_size())
    return counts("outputs", call.output_size(), function.output_size());
  return {};
}

Status Functions::pay(const FunctionProto& function, const Attributes& given, bool copied) {
  std::map<std::string, int64_t> sizes;
  for (const auto& [name, attribute] : given)
    sizes[name] = static_cast<int64_t>(attribute->ByteSizeLong());
  Cost cost{.bytes = static_cast<int64_t>(function.ByteSizeLong())};
  add_cost(function.node(), sizes, cost);
  nodes_ += cost.nodes;
  TRY(check_limit(limits_, &Limits::nodes, nodes_, "calls of functions"));
  if (!copied) return {};
  messages_ += cost.messages;
  bytes_ += cost.bytes;
  TRY(check_limit(limits_, &Limits::messages, messages_, "calls of functions"));
  return check_limit(limits_, &Limits::memory, bytes_, "calls of functions");
}

// Read once, however often the function is called.
Expected<const Functions::Declared*> Functions::declared(const FunctionProto& function) {
  const auto known = declared_.find(&function);
  if (known != declared_.end()) return &known->second;
  Declared declared;
  declared.names.insert(function.attribute().begin(), function.attribute().end());
  for (AttributeProto& attribute : TRY(defaults_of(function))) {
    const AttributeProto& kept = kept_->defaults.emplace_back(std::move(attribute));
    declared.names.insert(kept.name());
    declared.defaults[kept.name()] = &kept;
  }
  return &declared_.emplace(&function, std::move(declared)).first->second;
}

Expected<const GraphProto*> Functions::enter(const FunctionProto& function, const NodeProto& call) {
  TRY(check_call(function, call));
  const Declared* const declared = TRY(this->declared(function));
  Attributes given = declared->defaults;
  const bool alike = declared->names.empty();
  for (const AttributeProto& attribute : call.attribute()) {
    if (!declared->names.contains(attribute.name()))
      return Error{"attribute '" + printable(attribute.name()) +
                   "' is not one of its function's, must be left out"};
    given[attribute.name()] = &attribute;
  }
  const GraphProto* body = alike ? same_for_all_[&function] : nullptr;
  TRY(pay(function, given, body == nullptr));
  if (!body) {
    body = &kept_->bodies.emplace_back(graph_of(function, given));
    TRY(check_names(*body, "function '" + printable(function.name()) + "'"));
    if (alike) same_for_all_[&function] = body;
  }
  active_.push_back(&function);
  return body;
}

}  // namespace tessera
