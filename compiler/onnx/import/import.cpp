// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/import.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "compiler/onnx/import/call.h"
#include "compiler/onnx/import/inputs.h"
#include "compiler/onnx/import/node_order.h"
#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/names.h"
#include "compiler/onnx/tensor.h"

namespace tessera {
namespace {

using ::onnx::GraphProto;
using ::onnx::NodeProto;

class Importer {
 public:
  Importer(ModelFile file, const Limits& limits, const Deadline* deadline)
      : file_(std::move(file)),
        limits_(limits),
        deadline_(deadline),
        reader_(file_.path, file_.model, limits) {
    for (const auto& import : file_.model->opset_import())
      opsets_.try_emplace(import.domain(), opset_of(*file_.model, import.domain()));
  }

  Expected<ImportedModel> run(const std::map<std::string, Shape>& input_shape) {
    const GraphProto& graph = file_.model->graph();
    TRY(check_names(graph, file_.path));
    if (file_.settled) {
      out_.graph.name = graph.name();
      out_.packing = file_.packing;
    }
    TRY(add_inputs(input_shape));
    TRY(add_nodes(graph));
    TRY(add_outputs(graph));
    out_.graph.remove_dead();
    out_.sha256 = hash();
    return std::move(out_);
  }

  // Nodes whose operands exist are added, so that those behind them are looked at too.
  Expected<OnnxSurvey> survey(const std::map<std::string, Shape>& input_shape) {
    const GraphProto& graph = file_.model->graph();
    OnnxSurvey found{.nodes = graph.node_size(), .problems = {}};
    const auto note = [&](const Error& error) {
      const std::string start = file_.path + ": ";
      const bool has_path = error.message.starts_with(start);
      found.problems.push_back(has_path ? error.message.substr(start.size()) : error.message);
    };
    TRY(check_names(graph, file_.path));
    TRY(add_inputs(input_shape));
    const std::vector<const NodeProto*> order = TRY(in_order(graph));
    for (int64_t done = 0; const NodeProto* node : order) {
      const Status added = has_operands(*node) ? add_node(*node) : check_known(*node);
      if (!added.ok() && added.error().kind == ErrorKind::Refused) return added.error();
      if (!added.ok()) note(added.error());
      TRY(check_cost(++done, std::ssize(order)));
    }
    if (!found.problems.empty()) return found;
    if (const Status outputs = add_outputs(graph); !outputs.ok()) note(outputs.error());
    return found;
  }

 private:
  Status add_inputs(const std::map<std::string, Shape>& input_shape) {
    for (const ModelInput& input :
         TRY(read_inputs(file_.model->graph(), file_.path, input_shape, out_.warnings))) {
      values_[input.name] = {out_.graph.add_input(input.name, input.type), input.onnx_type, {}};
      out_.model_dtypes[input.name] = element_type_name(input.onnx_type);
    }
    return {};
  }

  bool has_operands(const NodeProto& node) const {
    return std::ranges::all_of(node.input(), [&](const std::string& name) {
      return name.empty() || values_.contains(name) || waiting_.contains(name);
    });
  }

  Expected<std::vector<const NodeProto*>> in_order(const GraphProto& graph) {
    for (const auto& tensor : graph.initializer())
      if (values_.contains(tensor.name()) || !waiting_.emplace(tensor.name(), &tensor).second)
        return Error{file_.path + ": initializer '" + printable(tensor.name()) +
                     "' exists already, must be the only value of its name"};
    return order_nodes(graph, file_.path, [&](const std::string& name) {
      return values_.contains(name) || waiting_.contains(name);
    });
  }

  Status add_nodes(const GraphProto& graph) {
    const std::vector<const NodeProto*> order = TRY(in_order(graph));
    Places places(graph);
    for (int64_t done = 0; const NodeProto* node : order) {
      if (file_.settled) TRY(add_constants_before(*node, places));
      TRY(add_node(*node));
      TRY(check_cost(++done, std::ssize(order)));
    }
    return {};
  }

  // An operation may become many: a model of the limit's nodes has room for four each.
  Status check_cost(int64_t done, int64_t all) const {
    constexpr int64_t kNodesEach = 4;
    const auto made = static_cast<int64_t>(out_.graph.nodes().size());
    if (made > kNodesEach * limits_.nodes)
      return Error{file_.path + ": its operations and constants become more than " +
                       to_string(LimitUnit::Count, kNodesEach * limits_.nodes) +
                       " nodes of the graph, must be at most " + std::to_string(kNodesEach) +
                       " for each of the nodes that a model may have (--limit nodes=VALUE raises "
                       "it)",
                   ErrorKind::Refused, "limit"};
    if (!deadline_) return {};
    const Status in_time = deadline_->check("import", done, all);
    if (in_time.ok()) return {};
    return Error{file_.path + ": " + in_time.error().message, in_time.error().kind,
                 in_time.error().type};
  }

  // A value by name, which order_nodes has found to exist. An initializer becomes a constant of
  // the Graph when it is first asked for.
  Expected<OnnxValue> value(const std::string& name) {
    const auto found = values_.find(name);
    if (found != values_.end()) return found->second;
    const auto waiting = waiting_.find(name);
    if (waiting == waiting_.end())
      return Error{file_.path + ": value '" + printable(name) +
                   "' is used where it is not known, must be of this graph or one around it"};
    auto read = reader_.read(*waiting->second);
    if (!read.ok()) return Error{file_.path + ": " + read.error().message, read.error().kind};
    if (read->onnx_type == ::onnx::TensorProto::DOUBLE)
      add_warning(out_.warnings, file_.path + ": tensor '" + printable(name) +
                                     "': is of float64, taken as float32");
    const OnnxValue value{out_.graph.add_constant(name, std::move(read->tensor)), read->onnx_type,
                          read->beyond_int32};
    values_[name] = value;
    return value;
  }

  // Where the constants of a settled graph stand among its nodes: the order of its value_info.
  struct Places {
    explicit Places(const GraphProto& graph) : values(graph.value_info()) {}
    const google::protobuf::RepeatedPtrField<::onnx::ValueInfoProto>& values;
    int next = 0;
  };
  Status add_constants_before(const NodeProto& node, Places& places) {
    for (; places.next < places.values.size(); ++places.next) {
      const std::string& name = places.values[places.next].name();
      if (waiting_.contains(name)) {
        TRY(value(name));
      } else if (node.output_size() > 0 && name == node.output(0)) {
        return {};
      }
    }
    return {};
  }

  static bool is_if(const NodeProto& node) {
    return node.op_type() == "If" && node.domain().empty();
  }
  Status check_known(const NodeProto& node) const {
    if (is_if(node) || find_onnx_op(node.domain(), node.op_type())) return {};
    return Error{where(file_.path, node) + "is not supported" +
                 (node.domain().empty() ? "" : " in domain '" + printable(node.domain()) + "'") +
                 ", must be one of the operations in docs/onnx.md"};
  }

  Status add_node(const NodeProto& node) {
    TRY(check_known(node));
    if (is_if(node)) return add_if(node);
    const OnnxOp* op = find_onnx_op(node.domain(), node.op_type());
    std::vector<std::string> ignored;
    if (auto checked = check_call(*op, node, ignored); !checked.ok())
      return Error{where(file_.path, node) + checked.error().message};
    for (const std::string& what : ignored)
      add_warning(out_.warnings, where(file_.path, node) + what);
    Call call(context(), node, opset(node), TRY(operands(node)));
    TRY(check_wide(*op, call));
    TRY(op->handler(call));
    return take_results(*op, node, call);
  }

  CallContext context() {
    return {out_.graph, file_.path, file_.settled, reader_, allowance_, readable_, out_.warnings};
  }

  int opset(const NodeProto& node) const {
    return node.domain().empty() || node.domain() == "ai.onnx" ? file_.opset
                                                               : known_opset(node.domain());
  }
  int known_opset(const std::string& domain) const {
    const auto found = opsets_.find(domain);
    return found == opsets_.end() ? 0 : found->second;
  }

  Expected<std::vector<OnnxValue>> operands(const NodeProto& node) {
    std::vector<OnnxValue> operands;
    for (const std::string& name : node.input())
      operands.push_back(name.empty() ? OnnxValue{} : TRY(value(name)));
    while (!operands.empty() && operands.back().node == nullptr) operands.pop_back();
    return operands;
  }

  // An int64 that int32 does not hold may pass through and end as a bound; to compute with it
  // would be wrong.
  static std::optional<int64_t> wide_operand(const OnnxOp& op, const Call& call) {
    const size_t values = op.flags & kTakesBounds ? 1 : call.inputs();  // bounds are not results
    for (size_t i = 0; i < std::min(values, call.inputs()); ++i)
      if (call.value(i).beyond_int32) return call.value(i).beyond_int32;
    return std::nullopt;
  }
  static Status check_wide(const OnnxOp& op, const Call& call) {
    const auto wide = wide_operand(op, call);
    if (!wide || op.flags & (kMovesValues | kTakesBounds)) return {};
    return call.error("an operand holds " + std::to_string(*wide) + ", must be within int32");
  }

  // An 8-bit integer is an i32 in the Graph. An operation that moves or compares it gives the same
  // in both types. A sum would have to wrap at 8 bits, so such operations are refused.
  static int32_t narrow_type(const Call& call) {
    for (size_t i = 0; i < call.inputs(); ++i) {
      const int32_t type = call.value(i).onnx_type;
      if (type == ::onnx::TensorProto::UINT8 || type == ::onnx::TensorProto::INT8) return type;
    }
    return ::onnx::TensorProto::UNDEFINED;
  }
  static Status check_narrow(const OnnxOp& op, const Call& call, const OnnxValue& result) {
    constexpr unsigned kExact = kMovesValues | kTakesBounds | kTakesNarrow;
    const int32_t narrow = narrow_type(call);
    const bool exact = op.flags & kExact || result.node->type.dtype == DType::Bool;
    if (exact || narrow == ::onnx::TensorProto::UNDEFINED) return {};
    return call.error("an operand is of " + element_type_name(narrow) +
                      ", must be cast to int32 or a float before it is computed with");
  }

  Status take_results(const OnnxOp& op, const NodeProto& node, const Call& call) {
    const int32_t narrow = narrow_type(call);
    for (int i = 0; i < node.output_size(); ++i) {
      if (node.output(i).empty()) continue;
      OnnxValue result = call.results()[static_cast<size_t>(i)];
      if (!result.node)
        return call.error("result " + std::to_string(i) + " is used, must be left out here");
      TRY(check_narrow(op, call, result));
      const bool by_dtype = result.onnx_type == ::onnx::TensorProto::INT32;
      if (narrow != ::onnx::TensorProto::UNDEFINED && by_dtype && !(op.flags & kSetsType))
        result.onnx_type = narrow;
      if (op.flags & kMovesValues && !result.beyond_int32)
        result.beyond_int32 = wide_operand(op, call);
      values_[node.output(i)] = result;
    }
    return {};
  }

  // A branch that is known when the shapes are takes the place of its If.
  Status add_if(const NodeProto& node) {
    const OnnxValue condition = node.input_size() == 1 ? TRY(value(node.input(0))) : OnnxValue{};
    const std::string here = where(file_.path, node);
    if (!condition.node || !condition.node->is(Op::Constant) ||
        elements(condition.node->type.shape) != 1)
      return Error{here + "its condition depends on the model's inputs, must be constant"};
    const bool taken = to_array(condition.node->value).data[0] != 0;
    for (const auto& attribute : node.attribute()) {
      if (attribute.name() != (taken ? "then_branch" : "else_branch")) continue;
      const GraphProto& branch = attribute.g();
      if (branch.output_size() != node.output_size())
        return Error{here + "its branch has " + std::to_string(branch.output_size()) +
                     " outputs, must have " + std::to_string(node.output_size())};
      TRY(add_nodes(branch));
      for (int i = 0; i < node.output_size(); ++i)
        values_[node.output(i)] = TRY(value(branch.output(i).name()));
      return {};
    }
    return Error{here + "has no branch for its condition, must have both"};
  }

  Status add_outputs(const GraphProto& graph) {
    std::set<std::string> names;
    for (const auto& declared : graph.output()) {
      const std::string& name = declared.name();
      if (!names.insert(name).second)
        return Error{file_.path + ": output '" + printable(name) + "' is declared twice"};
      const OnnxValue result = TRY(value(name));
      if (result.beyond_int32)
        return Error{file_.path + ": output '" + printable(name) + "' holds " +
                     std::to_string(*result.beyond_int32) + ", must be within int32"};
      out_.graph.outputs.push_back({name, result.node});
      const std::string mismatch = declared_mismatch(declared, result.node->type);
      if (!mismatch.empty())
        add_warning(out_.warnings, file_.path + ": output '" + printable(name) + "': " + mismatch);
      const int32_t onnx_type = declared.type().tensor_type().elem_type();
      const bool agrees = dtype_of(onnx_type) == result.node->type.dtype;
      // An input that is handed on under its own name is declared as an input.
      out_.model_dtypes.emplace(
          name, element_type_name(agrees ? onnx_type : onnx_type_of(result.node->type.dtype)));
    }
    if (names.empty()) return Error{file_.path + ": has no outputs, must have at least one"};
    return {};
  }

  // The file's own hash, as sha256sum prints it, where there is no data beside it.
  std::string hash() const {
    if (reader_.external().empty()) return to_hex(file_.sha256);
    Sha256Stream stream;
    stream.add(std::as_bytes(std::span(file_.sha256)));
    reader_.external().add_to(stream);
    return to_hex(stream.finish());
  }

  ModelFile file_;
  Limits limits_;
  const Deadline* deadline_;  // or null
  std::map<std::string, int> opsets_;
  TensorReader reader_;
  int64_t allowance_ = kImportAllowance, readable_ = kImportReadable;
  ImportedModel out_;
  std::unordered_map<std::string, OnnxValue> values_;                    // by ONNX name
  std::unordered_map<std::string, const ::onnx::TensorProto*> waiting_;  // initializers, likewise
};

}  // namespace

Expected<ImportedModel> import_onnx(const std::string& path,
                                    const std::map<std::string, Shape>& input_shape,
                                    const Limits& limits, const Deadline* deadline) {
  return Importer(TRY(read_model_file(path, limits)), limits, deadline).run(input_shape);
}

Expected<OnnxSurvey> survey_onnx(const std::string& path,
                                 const std::map<std::string, Shape>& input_shape,
                                 const Limits& limits, const Deadline* deadline) {
  return Importer(TRY(read_model_file(path, limits)), limits, deadline).survey(input_shape);
}

Expected<ModelNames> model_names(const std::string& path, const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  ModelNames names;
  for (const auto* input : declared_inputs(file.model->graph()))
    names.inputs.push_back(input->name());
  for (const auto& output : file.model->graph().output()) names.outputs.push_back(output.name());
  return names;
}

Expected<std::vector<DeclaredInput>> declared_model_inputs(const std::string& path,
                                                           const Limits& limits) {
  return TRY(OpenModel::open(path, limits)).declared_inputs();
}

Expected<OpenModel> OpenModel::open(const std::string& path, const Limits& limits) {
  return OpenModel(std::make_shared<const ModelFile>(TRY(read_model_file(path, limits))));
}

Expected<ImportedModel> OpenModel::import(const std::map<std::string, Shape>& input_shape,
                                          const Limits& limits, const Deadline* deadline) const {
  return Importer(*file_, limits, deadline).run(input_shape);
}

std::vector<DeclaredInput> OpenModel::declared_inputs() const {
  std::vector<DeclaredInput> inputs;
  for (const auto* input : tessera::declared_inputs(file_->model->graph())) {
    const auto& type = input->type().tensor_type();
    Shape shape;
    for (const auto& dim : type.shape().dim())
      shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0 ? dim.dim_value() : -1);
    inputs.push_back({input->name(), element_type_name(type.elem_type()), shape});
  }
  return inputs;
}

}  // namespace tessera
