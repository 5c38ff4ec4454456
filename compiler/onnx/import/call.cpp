// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/call.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/tensor.h"
#include "support/check.h"

namespace tessera {
namespace {

// A constant larger than this stays the node that computes it.
constexpr int64_t kMaxFoldedElements = int64_t{1} << 20;
// Floats are folded only where they are scalars and the like: tables must survive for the passes.
constexpr int64_t kMaxFoldedFloats = 64;

bool is_constant(const Node* node) { return node->is(Op::Constant); }

bool may_fold(const Node& node) {
  if (!std::all_of(node.in.begin(), node.in.end(), is_constant)) return false;
  const int64_t size = elements(node.type.shape);
  if (!is_float(node.type.dtype)) return size <= kMaxFoldedElements;
  const bool small = std::all_of(node.in.begin(), node.in.end(), [](const Node* operand) {
    return elements(operand->type.shape) <= kMaxFoldedFloats;
  });
  // A float that is repeated says more as one number than as its copies.
  return small && size <= kMaxFoldedFloats && !node.is(Op::Broadcast);
}

std::string without_prefix(const std::string& message, const std::string& name) {
  const std::string prefix = name + ": ";
  return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
}

}  // namespace

std::string where(const std::string& path, const ::onnx::NodeProto& node) {
  const std::string& name =
      !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
  return path + ": node '" + printable(name) + "' (" + printable(node.op_type()) + "): ";
}

Call::Call(CallContext context, const ::onnx::NodeProto& proto, int opset,
           std::vector<OnnxValue> operands)
    : opset(opset),
      context_(context),
      proto_(proto),
      operands_(std::move(operands)),
      results_(static_cast<size_t>(proto.output_size())) {}

Error Call::error(const std::string& what) const {
  return Error{where(context_.path, proto_) + what};
}

void Call::warn(const std::string& what) {
  add_warning(context_.warnings, where(context_.path, proto_) + what);
}

void Call::doubt(const std::string& what) {
  constexpr size_t kMost = 4;  // the layers of a model repeat each other
  if (context_.doubts.size() < kMost)
    add_warning(context_.doubts, where(context_.path, proto_) + what);
}

Expected<std::vector<Node*>> Call::all_in() const {
  std::vector<Node*> nodes;
  for (size_t i = 0; i < operands_.size(); ++i) {
    TRY(need({i}));
    nodes.push_back(in(i));
  }
  return nodes;
}

Status Call::widen_bytes(unsigned flags) {
  const auto is_mixed = [](const OnnxValue& value) {
    const std::optional<DType> stored = stored_dtype_of(value.onnx_type);
    return value.node && stored && is_byte(*stored) && !is_byte(value.node->type.dtype);
  };
  const bool moves = (flags & kMovesValues) != 0;
  if (flags & kTakesBytes && !(moves && std::ranges::any_of(operands_, is_mixed))) return {};
  for (OnnxValue& operand : operands_)
    if (operand.node && is_byte(operand.node->type.dtype))
      operand.node = TRY(cast(operand.node, DType::I32));
  return {};
}

Status Call::need(std::initializer_list<size_t> operands) const {
  for (const size_t i : operands)
    if (!in(i)) return error("input " + std::to_string(i) + " is left out, must be given");
  return {};
}

Expected<Array> Call::constant(size_t i, const char* what) const {
  const Node* node = in(i);
  CHECK(node != nullptr);
  if (!is_constant(node))
    return error(std::string(what) + " (input " + std::to_string(i) +
                 ") depends on the model's inputs, must be constant");
  TRY(read_elements(elements(node->type.shape)));
  return to_array(node->value);
}

Expected<std::vector<int64_t>> Call::constant_ints(size_t i, const char* what) const {
  const TensorType& type = in(i)->type;
  if (is_constant(in(i)) && (type.dtype != DType::I32 || type.shape.size() > 1))
    return error(std::string(what) + " (input " + std::to_string(i) + ") is " + to_string(type) +
                 ", must be a list of integers");
  const Array array = TRY(constant(i, what));
  return std::vector<int64_t>(array.data.begin(), array.data.end());
}

const ::onnx::AttributeProto* Call::find_attr(const char* name) const {
  for (const auto& attribute : proto_.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

int64_t Call::attr(const char* name, int64_t otherwise) const {
  const auto* attribute = find_attr(name);
  return attribute ? attribute->i() : otherwise;
}

double Call::attr(const char* name, double otherwise) const {
  const auto* attribute = find_attr(name);
  return attribute ? attribute->f() : otherwise;
}

std::string Call::attr(const char* name, const char* otherwise) const {
  const auto* attribute = find_attr(name);
  return attribute ? attribute->s() : otherwise;
}

std::vector<int64_t> Call::ints_attr(const char* name) const {
  const auto* attribute = find_attr(name);
  if (!attribute) return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

Expected<ReadTensor> Call::tensor_attr(const char* name) const {
  const auto* attribute = find_attr(name);
  CHECK(attribute != nullptr);
  auto read = attribute->has_sparse_tensor() ? context_.reader.read(attribute->sparse_tensor())
                                             : context_.reader.read(attribute->t());
  if (read.ok()) return read;
  Error failed = error(read.error().message);
  failed.kind = read.error().kind;
  return failed;
}

Expected<int64_t> Call::axis(int64_t axis, int64_t rank) const {
  if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  return error("axis is " + std::to_string(axis) + ", must be within the " + std::to_string(rank) +
               " axes of its operand");
}

Expected<std::optional<std::vector<int64_t>>> Call::axes(size_t i, int64_t rank) const {
  std::vector<int64_t> axes;
  if (in(i)) {
    axes = TRY(constant_ints(i, "axes"));
  } else if (has_attr("axes")) {
    axes = ints_attr("axes");
  } else {
    return std::optional<std::vector<int64_t>>();
  }
  for (int64_t& one : axes) one = TRY(axis(one, rank));
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    return error("axes name one axis twice, must differ");
  return std::optional(axes);
}

Status Call::read_elements(int64_t count) const {
  context_.readable -= std::min(count, context_.readable + 1);
  if (context_.readable >= 0) return {};
  return error(
      "reads a constant that makes those which import reads element by element larger "
      "than " +
      std::to_string(kImportReadable) + " elements in all, must be smaller");
}

bool Call::spend(int64_t elements, int64_t times) {
  if (elements < 0 || times < 0) return false;
  if (times > 0 && elements > context_.allowance / times) return false;
  context_.allowance -= elements * times;
  return true;
}

Expected<std::optional<Tensor>> Call::fold(const Node& node) {
  if (context_.settled || !may_fold(node)) return std::optional<Tensor>();
  int64_t touched = elements(node.type.shape);
  for (const Node* operand : node.in) touched += elements(operand->type.shape);
  if (!spend(touched)) return std::optional<Tensor>();
  std::vector<Array> operands;
  for (const Node* operand : node.in) operands.push_back(to_array(operand->value));
  if (decides(node)) note_decision(node, operands);
  auto folded = eval(node, operands);
  if (!folded.ok()) return error(without_prefix(folded.error().message, node.name));
  if (node.type.dtype == DType::I32) {
    for (const double element : folded->data) {
      if (element > std::numeric_limits<int32_t>::min() - 1.0 &&
          element < std::numeric_limits<int32_t>::max() + 1.0)
        continue;
      return error("its result is computed to be " + std::to_string(element) +
                   ", must be within int32");
    }
  }
  folded->type = node.type;
  return std::optional(to_tensor(*folded));
}

void Call::note_decision(const Node& node, const std::vector<Array>& operands) {
  if (elements(node.type.shape) > kMostDecided) return;
  Decision& decision = context_.decisions.emplace_back();
  decision.node = proto_.name().empty() && outputs() > 0 ? proto_.output(0) : proto_.name();
  decision.op = node.op;
  const bool looks_up = node.is(Op::Gather);
  decision.left = operands[looks_up ? 1 : 0].data;
  if (operands.size() > 1 && !looks_up) decision.right = operands[1].data;
}

Expected<Node*> Call::add_named(const std::string& name, Op op, std::vector<Node*> in,
                                Attrs attrs) {
  Node node;
  node.op = op;
  node.name = name.empty() ? std::string(info(op).text) : name;
  node.in = in;
  node.attrs = attrs;
  auto type = infer(node);
  if (!type.ok()) return error(without_prefix(type.error().message, node.name));
  if (!is_valid_shape(type->shape))
    return error("its result is " + to_string(*type) + ", must be smaller");
  node.type = *type;

  std::optional<Tensor> folded = TRY(fold(node));
  Node* added = folded ? graph().add_constant(name, std::move(*folded))
                       : TRY(graph().add(op, name, std::move(in), std::move(attrs)));
  added->origin = {proto_.name().empty() && outputs() > 0 ? proto_.output(0) : proto_.name()};
  return added;
}

Expected<Node*> Call::add(Op op, std::vector<Node*> in, Attrs attrs) {
  return add_named("", op, std::move(in), std::move(attrs));
}

Node* Call::constant(Tensor value) { return graph().add_constant("", std::move(value)); }

Node* Call::ints(const std::vector<int64_t>& values) {
  Array array{
      {DType::I32, {static_cast<int64_t>(values.size())}},
      {}
  };
  array.data.assign(values.begin(), values.end());
  return constant(array);
}

Expected<Node*> Call::full(TensorType type, double value) {
  Node* scalar = constant(Array{
      {type.dtype, {}},
      {value}
  });
  return broadcast(scalar, type.shape);
}

Expected<Node*> Call::reshape(Node* node, const Shape& shape) {
  if (node->type.shape == shape) return node;
  return add(Op::Reshape, {node}, with("shape", shape));
}

Expected<Node*> Call::transpose(Node* node, const std::vector<int64_t>& perm) {
  if (std::is_sorted(perm.begin(), perm.end())) return node;
  return add(Op::Transpose, {node}, with("perm", perm));
}

Expected<Node*> Call::cast(Node* node, DType dtype) {
  if (node->type.dtype == dtype) return node;
  return add(Op::Cast, {node}, with("to", std::string(to_string(dtype))));
}

std::string Call::result_name(size_t i) const {
  if (settled()) return proto_.name();
  return i < results_.size() ? proto_.output(static_cast<int>(i)) : "";
}

Status Call::result(Op op, std::vector<Node*> in, Attrs attrs, size_t i) {
  bind(i, TRY(add_named(result_name(i), op, std::move(in), std::move(attrs))));
  return {};
}

void Call::result_constant(ReadTensor value) {
  Node* node = graph().add_constant(result_name(0), std::move(value.tensor));
  results_[0] = {node, value.onnx_type, value.beyond_int32};
}

void Call::bind(size_t i, Node* node, std::optional<int32_t> onnx_type) {
  if (i >= results_.size()) return;  // the node has no name for it
  results_[i] = {node, onnx_type.value_or(onnx_type_of(node->type.dtype)), std::nullopt};
}

}  // namespace tessera
