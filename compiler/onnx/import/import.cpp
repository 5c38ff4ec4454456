// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/import.h"

#include <algorithm>
#include <set>
#include <utility>

#include "compiler/onnx/import/call.h"
#include "compiler/onnx/import/functions.h"
#include "compiler/onnx/import/inputs.h"
#include "compiler/onnx/import/integers.h"
#include "compiler/onnx/import/node_order.h"
#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/import/outputs.h"
#include "compiler/onnx/import/scopes.h"
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
        functions_(file_.model, limits),
        reader_(file_.path, functions_.owner(), limits) {
    for (const auto& import : file_.model->opset_import())
      opsets_.try_emplace(import.domain(), opset_of(*file_.model, import.domain()));
    opsets_[""] = file_.opset;
  }

  Expected<ImportedModel> run(const std::map<std::string, Shape>& input_shape) {
    const GraphProto& graph = file_.model->graph();
    TRY(check_names(graph, file_.path));
    if (file_.settled) {
      out_.graph.name = graph.name();
      out_.packing = file_.packing;
    }
    TRY(add_inputs(input_shape));
    doubts_ = out_.warnings;  // about the shapes of inputs
    Status added = add_nodes(graph);
    if (added.ok()) added = add_outputs(graph);
    if (!added.ok()) return with_doubts(added.error(), "\n  ");
    out_.graph.remove_dead();
    out_.sha256 = reader_.external().sha256_with(file_.sha256);
    return std::move(out_);
  }

  // Nodes whose operands exist are added, so that those behind them are looked at too.
  Expected<OnnxSurvey> survey(const std::map<std::string, Shape>& input_shape) {
    const GraphProto& graph = file_.model->graph();
    OnnxSurvey found{.nodes = graph.node_size(), .problems = {}};
    const auto note = [&](const Error& error) {
      const std::string start = file_.path + ": ";
      const size_t path = error.message.starts_with(start) ? start.size() : 0;
      found.problems.push_back(with_doubts(error, ", ").message.substr(path));
      doubts_.clear();  // told with the first problem
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
  // A node may refuse what follows from shapes of inputs that do not go together, or from what a
  // node before it made of them.
  Error with_doubts(Error error, const char* between) const {
    for (const std::string& doubt : doubts_)
      error.message += std::string(between) + "perhaps because " + doubt;
    return error;
  }

  Status add_inputs(const std::map<std::string, Shape>& input_shape) {
    for (const ModelInput& input : TRY(read_inputs(file_.model->graph(), file_.path, input_shape,
                                                   out_.warnings, file_.settled))) {
      Node* value = out_.graph.add_input(
          input.name, {input.type.dtype, input.rows ? *input.rows : input.type.shape});
      if (input.rows)
        value = TRY(out_.graph.add(Op::Reshape, input.name + "/choices",
                                   {
                                       value
        },
                                   {{"shape", input.type.shape}}));
      scopes_.set(input.name, {value, input.onnx_type, {}});
      out_.model_dtypes[input.name] = caller_type_name(input.onnx_type);
    }
    return {};
  }

  bool has_operands(const NodeProto& node) const {
    return std::ranges::all_of(node.input(), [&](const std::string& name) {
      return name.empty() || scopes_.contains(name);
    });
  }

  Expected<std::vector<const NodeProto*>> in_order(const GraphProto& graph) {
    const auto add = [&](const std::string& name, const Initializer& initializer) -> Status {
      if (scopes_.add(name, initializer)) return {};
      return Error{file_.path + ": initializer '" + printable(name) +
                   "' exists already, must be the only value of its name"};
    };
    for (const auto& tensor : graph.initializer()) TRY(add(tensor.name(), {&tensor, nullptr}));
    for (const auto& tensor : graph.sparse_initializer())
      TRY(add(tensor.values().name(), {nullptr, &tensor}));
    return order_nodes(graph, file_.path,
                       [&](const std::string& name) { return scopes_.contains(name); });
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
    if (const OnnxValue* found = scopes_.value(name)) return *found;
    const Initializer* initializer = scopes_.initializer(name);
    if (!initializer)
      return Error{file_.path + ": value '" + printable(name) +
                   "' is used where it is not known, must be of this graph or one around it"};
    auto read =
        initializer->dense ? reader_.read(*initializer->dense) : reader_.read(*initializer->sparse);
    if (!read.ok()) return Error{file_.path + ": " + read.error().message, read.error().kind};
    if (read->onnx_type == ::onnx::TensorProto::DOUBLE)
      add_warning(out_.warnings, file_.path + ": tensor '" + printable(name) +
                                     "': is of float64, taken as float32");
    const OnnxValue value{out_.graph.add_constant(name, std::move(read->tensor)), read->onnx_type,
                          read->beyond_int32};
    scopes_.set(name, value);
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
      const ::onnx::ValueInfoProto& info = places.values[places.next];
      const std::string& name = info.name();
      if (scopes_.initializer(name)) {
        TRY(value(name));
      } else if (!info.doc_string().empty()) {
        TRY(add_stretched(info));
      } else if (node.output_size() > 0 && name == node.output(0)) {
        return {};
      }
    }
    return {};
  }

  Status add_stretched(const ::onnx::ValueInfoProto& info) {
    if (!scopes_.contains(info.doc_string())) return {};
    const OnnxValue from = TRY(value(info.doc_string()));
    auto added = tessera::add_stretched(out_.graph, info, from.node);
    if (!added.ok()) return Error{file_.path + ": " + added.error().message};
    stretched_[{from.node, (*added)->type.shape}] = *added;
    return {};
  }

  static bool is_if(const NodeProto& node) {
    return node.op_type() == "If" && node.domain().empty();
  }
  // Null where the node is not an operation: it may call a function. In a file of ours the
  // functions of domain ai.graphcore say to other runtimes what is an operation here.
  const OnnxOp* operation(const NodeProto& node) const {
    const bool ours = file_.settled && node.domain() == kGraphcoreDomain;
    const OnnxOp* own = ours ? find_onnx_op(node.domain(), graph_op_of(node.op_type())) : nullptr;
    if (own) return own;
    return functions_.find(node) ? nullptr : find_onnx_op(node.domain(), node.op_type());
  }
  Status check_known(const NodeProto& node) const {
    if (is_if(node) || functions_.find(node) || operation(node)) return {};
    return Error{where(file_.path, node) + "is not supported" +
                 (node.domain().empty() ? "" : " in domain '" + printable(node.domain()) + "'") +
                 ", must be one of the operations in docs/onnx.md"};
  }

  Status add_node(const NodeProto& node) {
    TRY(check_known(node));
    const OnnxOp* op = operation(node);
    if (!op && functions_.find(node)) return add_call(node, *functions_.find(node));
    if (is_if(node)) return add_if(node);
    std::vector<std::string> ignored;
    if (auto checked = check_call(*op, node, ignored); !checked.ok())
      return Error{where(file_.path, node) + checked.error().message};
    for (const std::string& what : ignored)
      add_warning(out_.warnings, where(file_.path, node) + what);
    Call call(context(), node, opset(node), TRY(operands(node)));
    if (!file_.settled) TRY(call.widen_bytes(op->flags));
    for (size_t i = 0; std::cmp_less(i, op->min_inputs) && !(op->flags & kLeavesOut); ++i)
      if (!call.in(i))
        return call.error("input " + std::to_string(i) + " is left out, must be given");
    TRY(check_wide(*op, call));
    TRY(op->handler(call));
    return take_results(*op, node, call);
  }

  CallContext context() {
    return {out_.graph, file_.path, file_.settled, stretched_, reader_,
            allowance_, readable_,  out_.warnings, doubts_,    out_.decisions};
  }

  int opset(const NodeProto& node) const {
    const auto found = opsets_.find(node.domain() == "ai.onnx" ? "" : node.domain());
    return found == opsets_.end() ? 0 : found->second;
  }

  Expected<std::vector<OnnxValue>> operands(const NodeProto& node) {
    std::vector<OnnxValue> operands;
    for (const std::string& name : node.input())
      operands.push_back(name.empty() ? OnnxValue{} : TRY(value(name)));
    while (!operands.empty() && operands.back().node == nullptr) operands.pop_back();
    return operands;
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
      scopes_.set(node.output(i), result);
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
      scopes_.open(true);
      return take_body(node, branch);
    }
    return Error{here + "has no branch for its condition, must have both"};
  }

  // The body of a function takes the place of a call, at the opsets of the function.
  Status add_call(const NodeProto& node, const ::onnx::FunctionProto& function) {
    const std::vector<OnnxValue> given = TRY(operands(node));
    const auto body = functions_.enter(function, node);
    if (!body.ok())
      return Error{where(file_.path, node) + body.error().message, body.error().kind,
                   body.error().type};
    std::map<std::string, int> opsets{std::pair("", file_.opset)};
    for (const auto& import : function.opset_import())
      opsets[import.domain() == "ai.onnx" ? "" : import.domain()] =
          static_cast<int>(std::clamp<int64_t>(import.version(), 0, 1'000'000));
    std::swap(opsets, opsets_);
    scopes_.open(false);
    for (int i = 0; i < function.input_size(); ++i)
      scopes_.set(function.input(i), static_cast<size_t>(i) < given.size()
                                         ? given[static_cast<size_t>(i)]
                                         : OnnxValue{});
    const Status taken = take_body(node, **body);
    std::swap(opsets, opsets_);
    functions_.leave();
    return taken;
  }

  // Ends the innermost scope: the outputs of `body` become the results of `node`.
  Status take_body(const NodeProto& node, const GraphProto& body) {
    auto results = results_of(node, body);
    scopes_.close();
    if (!results.ok()) return results.error();
    for (int i = 0; i < node.output_size(); ++i)
      if (!node.output(i).empty()) scopes_.set(node.output(i), (*results)[static_cast<size_t>(i)]);
    return {};
  }
  Expected<std::vector<OnnxValue>> results_of(const NodeProto& node, const GraphProto& body) {
    constexpr size_t kDeepest = 200;
    if (scopes_.depth() > kDeepest)
      return Error{where(file_.path, node) + "is within " + std::to_string(kDeepest) +
                   " branches and functions, must be within fewer"};
    TRY(add_nodes(body));
    std::vector<OnnxValue> results;
    for (int i = 0; i < node.output_size(); ++i) {
      results.push_back(TRY(value(body.output(i).name())));
      if (!results.back().node)
        return Error{where(file_.path, node) + "its output " + std::to_string(i) +
                     " is an input that is left out, must be given"};
    }
    return results;
  }

  Status add_outputs(const GraphProto& graph) {
    std::set<std::string> names;
    for (const auto& declared : graph.output()) {
      const std::string& name = declared.name();
      if (!names.insert(name).second)
        return Error{file_.path + ": output '" + printable(name) + "' is declared twice"};
      TRY(add_output(out_, file_.path, declared, TRY(value(name)), file_.settled));
    }
    if (names.empty()) return Error{file_.path + ": has no outputs, must have at least one"};
    return {};
  }

  ModelFile file_;
  Limits limits_;
  const Deadline* deadline_;           // or null
  std::map<std::string, int> opsets_;  // by domain, ONNX's own as ""
  Functions functions_;
  TensorReader reader_;
  int64_t allowance_ = kImportAllowance, readable_ = kImportReadable;
  ImportedModel out_;
  std::vector<std::string> doubts_;
  StretchedValues stretched_;
  Scopes scopes_;
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

Expected<ImportedModel> OpenModel::import(const std::map<std::string, Shape>& input_shape,
                                          const Limits& limits, const Deadline* deadline) const {
  return Importer(*file_, limits, deadline).run(input_shape);
}

}  // namespace tessera
