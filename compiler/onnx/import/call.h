// SPDX-License-Identifier: Apache-2.0
// One ONNX node on its way into the Graph: what a handler reads (operands, attributes) and what it
// writes (nodes, results). By the time a handler runs, the number of its operands and the kinds of
// its attributes have been checked against its row of the table (op_table.h).
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/onnx/import/decision.h"
#include "compiler/onnx/tensor.h"
#include "ir/graph.h"
#include "onnx.pb.h"
#include "support/expected.h"

namespace tessera {

// An ONNX value that has been imported.
struct OnnxValue {
  Node* node = nullptr;
  int32_t onnx_type = 0;                // as the model has it: int64 where the node has i32
  std::optional<int64_t> beyond_int32;  // a constant's element that int32 does not hold
};

// Broadcasts that a settled file leaves to its elementwise operations, by what they stretch. Each
// has a value_info, whose doc_string names its operand.
using StretchedValues = std::map<std::pair<const Node*, Shape>, Node*>;
Expected<Node*> add_stretched(Graph& graph, const ::onnx::ValueInfoProto& info, Node* from);

// The parts of the model that a handler may see.
struct CallContext {
  Graph& graph;
  const std::string& path;
  bool settled;  // fold nothing (model_file.h)
  const StretchedValues& stretched;
  TensorReader& reader;
  int64_t& allowance;  // elements that may still be computed at import, over the whole model
  int64_t& readable;   // and elements of constants that may still be looked at one by one
  std::vector<std::string>& warnings;
  std::vector<std::string>& doubts;  // reasons that an error of a later node may have
  std::vector<Decision>& decisions;
};
inline constexpr int64_t kImportAllowance = int64_t{1} << 26;
inline constexpr int64_t kImportReadable = int64_t{1} << 26;

class Call {
 public:
  using Attrs = std::map<std::string, Attr>;

  Call(CallContext context, const ::onnx::NodeProto& proto, int opset,
       std::vector<OnnxValue> operands);

  const int opset;  // of the node's domain
  const std::string& op_type() const { return proto_.op_type(); }
  Graph& graph() { return context_.graph; }
  bool settled() const { return context_.settled; }

  // Operands. in(i) of one that is absent is null.
  size_t inputs() const { return operands_.size(); }
  Node* in(size_t i) const { return i < operands_.size() ? operands_[i].node : nullptr; }
  const OnnxValue& value(size_t i) const { return operands_[i]; }
  // All of them, or an error where one is left out.
  Expected<std::vector<Node*>> all_in() const;
  // Operands of i8 and u8 as i32, unless the operation takes them as they are (flags of
  // op_table.h). One that moves values takes them if others of 8 bits are not i32 already.
  Status widen_bytes(unsigned flags);
  // Refuses the first of these operands that is left out.
  Status need(std::initializer_list<size_t> operands) const;
  const Shape& shape(size_t i) const { return in(i)->type.shape; }
  DType dtype(size_t i) const { return in(i)->type.dtype; }
  int64_t rank(size_t i) const { return static_cast<int64_t>(shape(i).size()); }
  // The elements of an operand that is settled at import; `what` names it in the error.
  Expected<std::vector<int64_t>> constant_ints(size_t i, const char* what) const;
  Expected<Array> constant(size_t i, const char* what) const;

  // Attributes, or what ONNX says where they are left out.
  bool has_attr(const char* name) const { return find_attr(name) != nullptr; }
  int64_t attr(const char* name, int64_t otherwise) const;
  double attr(const char* name, double otherwise) const;
  std::string attr(const char* name, const char* otherwise) const;
  std::vector<int64_t> ints_attr(const char* name) const;
  Expected<ReadTensor> tensor_attr(const char* name) const;  // which must be there
  const ::onnx::AttributeProto* find_attr(const char* name) const;
  // Axes that newer opsets pass as operand `i` and older as an attribute, made positive and in
  // range of `rank`, without repeats. Nothing if the node has neither.
  Expected<std::optional<std::vector<int64_t>>> axes(size_t i, int64_t rank) const;
  Expected<int64_t> axis(int64_t axis, int64_t rank) const;  // made positive, in range

  // Counts elements of constants that are about to be read one by one, or is an error.
  Status read_elements(int64_t count) const;
  // Takes `elements` · `times` off the allowance. Returns false, and takes nothing, if the
  // allowance is smaller. The product may be beyond 64 bits.
  bool spend(int64_t elements, int64_t times = 1);

  // Whether no input of the model has a part in it.
  bool is_known(const Node* node) const;
  // Such a value as a constant, computed here; null where it is not known, or too costly.
  Expected<Node*> known(Node* node);

  // Nodes. An integer or bool result of constants is a constant at once; so is a small float one.
  Expected<Node*> add(Op op, std::vector<Node*> in, Attrs attrs = {});
  Node* constant(Tensor value);
  Node* constant(const Array& array) { return constant(to_tensor(array)); }
  Node* ints(const std::vector<int64_t>& values);       // i32 [n], from values that i32 holds
  Expected<Node*> full(TensorType type, double value);  // one number everywhere
  Expected<Node*> like(Node* node, double value) { return full(node->type, value); }
  Expected<Node*> reshape(Node* node, const Shape& shape);
  Expected<Node*> transpose(Node* node, const std::vector<int64_t>& perm);
  Expected<Node*> cast(Node* node, DType dtype);
  Expected<Node*> broadcast(Node* node, const Shape& shape);
  // All stretched to the one shape that they broadcast to.
  Expected<std::vector<Node*>> broadcast_together(std::vector<Node*> nodes);
  // Operands broadcast first.
  Expected<Node*> add_broadcast(Op op, std::vector<Node*> in);

  // Results. The nodes of result() take the ONNX value's name; of a settled graph, the node's. One
  // that the node does not name is dropped.
  size_t outputs() const { return static_cast<size_t>(proto_.output_size()); }
  bool wants(size_t i) const {
    return i < outputs() && !proto_.output(static_cast<int>(i)).empty();
  }
  Status result(Op op, std::vector<Node*> in, Attrs attrs = {}, size_t i = 0);
  Status result_broadcast(Op op, std::vector<Node*> in);
  void result_constant(ReadTensor value);
  void bind(size_t i, Node* node, std::optional<int32_t> onnx_type = std::nullopt);
  const std::vector<OnnxValue>& results() const { return results_; }

  // "PATH: node 'NAME' (OP): …"
  Error error(const std::string& what) const;
  void warn(const std::string& what);
  // "node 'NAME' (OP): …", told behind "perhaps because" where a later node is refused.
  void doubt(const std::string& what);

 private:
  std::string result_name(size_t i) const;
  Expected<Node*> add_named(const std::string& name, Op op, std::vector<Node*> in, Attrs attrs);
  Expected<std::optional<Tensor>> fold(const Node& node);
  void note_decision(const Node& node, const std::vector<Array>& operands);

  CallContext context_;
  const ::onnx::NodeProto& proto_;
  std::vector<OnnxValue> operands_;
  std::vector<OnnxValue> results_;
};

// The attributes of an op that has but one.
inline Call::Attrs with(const char* name, Attr value) {
  Call::Attrs attrs;
  attrs.emplace(name, std::move(value));
  return attrs;
}

// "PATH: node 'NAME' (OP): ", by its first result if it has no name.
std::string where(const std::string& path, const ::onnx::NodeProto& node);

}  // namespace tessera
