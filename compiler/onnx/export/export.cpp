// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/export/export.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "compiler/onnx/export/exported_functions.h"
#include "compiler/onnx/export/exported_op.h"
#include "compiler/onnx/export/folded_broadcasts.h"
#include "compiler/onnx/export/function_body.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/model_writer.h"
#include "compiler/onnx/tensor.h"
#include "support/fault.h"
#include "support/file.h"

namespace tessera {
namespace {

using ::onnx::NodeProto;
using ::onnx::TensorProto;

constexpr int64_t kIrVersion = 9;  // what opset 19 came with

// The operands and attributes of an op of form Different, each below.
class Exporter;
template <Op op>
void write(Exporter& exporter, NodeProto& proto, const Node& node);

class Exporter {
 public:
  Exporter(const Graph& graph, const std::map<std::string, std::string>& model_dtypes,
           const std::string& path)
      : graph_(graph), model_dtypes_(model_dtypes), path_(path) {}

  Status run(const std::string& packing) {
    fill_header(packing);
    choose_names();
    fold_broadcasts();
    for (const auto& node : graph_.nodes()) TRY(add(*node));
    for (const Output& output : graph_.outputs) add_output(output);
    functions_.add_to(model_);
    return write_model(path_, model_, weights_, [this] { return check_whole(); });
  }

  // An operand that ONNX has where the Graph has an attribute.
  void add_operand(NodeProto& proto, const char* what, const std::vector<int64_t>& values,
                   bool scalar = false) {
    TensorProto tensor = int64_tensor(values, scalar);
    tensor.set_name(unique(proto.name() + "/" + what));
    proto.add_input(tensor.name());
    *onnx().add_initializer() = std::move(tensor);
  }

 private:
  void fill_header(const std::string& packing) {
    model_.set_ir_version(kIrVersion);
    model_.set_producer_name("tessera");
    auto* own = model_.add_opset_import();
    own->set_domain("");
    own->set_version(kExportOpset);
    auto* graphcore = model_.add_opset_import();
    graphcore->set_domain(kGraphcoreDomain);
    graphcore->set_version(1);
    auto* mark = model_.add_metadata_props();
    mark->set_key(kSettledKey);
    mark->set_value("1");
    if (!packing.empty()) {
      auto* kept = model_.add_metadata_props();
      kept->set_key(kPackingKey);
      kept->set_value(packing);
    }
    onnx().set_name(graph_.name);
  }

  ::onnx::GraphProto& onnx() { return *model_.mutable_graph(); }

  // Inputs and outputs have the model's names; a value of the graph yields where it would clash
  // with one, or where the model has it in int64.
  void choose_names() {
    for (const Node* input : graph_.inputs) taken_.insert(input->name);
    std::map<std::string, const Node*> direct;
    for (const Output& output : graph_.outputs) {
      taken_.insert(output.name);
      if (output.name == output.node->name && !is_int64(output.name, *output.node))
        direct[output.name] = output.node;
    }
    for (const auto& node : graph_.nodes()) {
      const auto output = direct.find(node->name);
      const bool keeps = (output != direct.end() && output->second == node.get()) ||
                         (node->is(Op::Input) && !is_int64(node->name, *node));
      value_name_[node.get()] = keeps ? node->name : unique(node->name);
    }
  }

  // A value_info keeps the name of a broadcast that is left out, so it has to be the node's own.
  void fold_broadcasts() {
    for (const Node* node : folded_broadcasts(graph_))
      if (value_name_[node] == node->name) folded_.insert(node);
  }

  // With a quote behind it, or a few; with a number too where others have those already.
  std::string unique(const std::string& wanted) {
    constexpr size_t kMostQuotes = 8;
    std::string name = wanted;
    for (size_t quotes = 0; quotes < kMostQuotes; ++quotes, name += "'")
      if (taken_.insert(name).second) return name;
    int64_t& number = numbers_[wanted];
    std::string numbered;
    do {
      numbered = name + std::to_string(++number);
    } while (!taken_.insert(numbered).second);
    return numbered;
  }

  bool is_int64(const std::string& name, const Node& node) const {
    const auto dtype = model_dtypes_.find(name);
    return dtype != model_dtypes_.end() && dtype->second == "int64" &&
           node.type.dtype == DType::I32;
  }

  Status add(const Node& node) {
    if (node.is(Op::Input)) {
      add_input(node);
    } else if (node.is(Op::Constant)) {
      TRY(add_constant(node));
    } else if (!folded_.contains(&node)) {
      add_node(node);
    }
    // In the graph's order, constants and folded broadcasts included: import puts them back by it.
    auto& info = *onnx().add_value_info();
    describe(info, value_name_[&node], onnx_type_of(node.type.dtype), node.type.shape);
    if (folded_.contains(&node)) info.set_doc_string(value_name_[node.in[0]]);
    return {};
  }

  static void describe(::onnx::ValueInfoProto& info, const std::string& name, int32_t onnx_type,
                       const Shape& shape) {
    info.set_name(name);
    auto* tensor = info.mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(onnx_type);
    tensor->mutable_shape();
    for (const int64_t dim : shape) tensor->mutable_shape()->add_dim()->set_dim_value(dim);
  }

  void add_input(const Node& node) {
    const bool wide = is_int64(node.name, node);
    describe(*onnx().add_input(), node.name,
             wide ? int32_t{TensorProto::INT64} : onnx_type_of(node.type.dtype), node.type.shape);
    if (wide) add_cast(node.name, value_name_[&node], TensorProto::INT32);
  }

  void add_output(const Output& output) {
    const bool wide = is_int64(output.name, *output.node);
    const bool handed_on = output.node->is(Op::Input) && output.node->name == output.name;
    const std::string& value = value_name_[output.node];
    describe(*onnx().add_output(), output.name,
             wide ? int32_t{TensorProto::INT64} : onnx_type_of(output.node->type.dtype),
             output.node->type.shape);
    if (handed_on) return;
    if (wide) {
      add_cast(value, output.name, TensorProto::INT64);
    } else if (value != output.name) {
      named_node("Identity", output.name + "/output", {value}, output.name);
    }
  }

  void add_cast(const std::string& from, const std::string& to, int32_t onnx_type) {
    NodeProto& cast = named_node("Cast", to + "/cast", {from}, to);
    set_attribute(cast, "to", int64_t{onnx_type});
  }

  // Constants may lie in the file that they came from, which another process can cut off.
  Status check_whole() const {
    look_at_lengths();
    for (const auto& node : graph_.nodes())
      if (node->is(Op::Constant) && !is_whole(node->value.bytes()))
        return Error{path_ + ": the file that holds constant '" + node->name +
                         "' was cut off, must stay as it is until its copy is written",
                     ErrorKind::BadFile};
    return {};
  }

  Status add_constant(const Node& node) {
    if (!node.value.has_data())
      return Error{path_ + ": constant '" + node.name + "' has no data, must have some to be " +
                   "written"};
    StreamedTensor tensor;
    tensor.head.set_name(value_name_[&node]);
    tensor.head.set_data_type(onnx_type_of(node.type.dtype));
    for (const int64_t dim : node.type.shape) tensor.head.add_dims(dim);
    if (value_name_[&node] != node.name) {
      // An initializer has one name alone; a node may have another than its result.
      NodeProto& proto = named_node("Constant", node.name, {}, value_name_[&node]);
      tensor.head.set_raw_data(node.value.bytes().data(), node.value.bytes().size());
      set_attribute(proto, "value", tensor.head);
      return {};
    }
    tensor.bytes = node.value.bytes().size();
    tensor.write = [&node](const Sink& sink) { return sink(node.value.bytes()); };
    weights_.push_back(std::move(tensor));
    return {};
  }

  NodeProto& named_node(const std::string& op_type, const std::string& name,
                        const std::vector<std::string>& inputs, const std::string& output) {
    NodeProto& proto = *onnx().add_node();
    proto.set_op_type(op_type);
    proto.set_name(name);
    for (const std::string& input : inputs) proto.add_input(input);
    proto.add_output(output);
    return proto;
  }

  void add_node(const Node& node);

  const Graph& graph_;
  const std::map<std::string, std::string>& model_dtypes_;
  const std::string& path_;
  ::onnx::ModelProto model_;
  std::vector<StreamedTensor> weights_;
  std::set<std::string> taken_;
  std::unordered_map<std::string, int64_t> numbers_;  // by name: the last that was given
  std::unordered_map<const Node*, std::string> value_name_;
  std::set<const Node*> folded_;  // broadcasts that their users make themselves
  ExportedFunctions functions_;
};

template <>
void write<Op::Broadcast>(Exporter& exporter, NodeProto& proto, const Node& node) {
  exporter.add_operand(proto, "shape", node.ints("shape"));
}

template <>
void write<Op::Reshape>(Exporter& exporter, NodeProto& proto, const Node& node) {
  exporter.add_operand(proto, "shape", node.ints("shape"));
  set_attribute(proto, "allowzero", int64_t{1});
}

// ONNX gives an end where the Graph gives a size. Going backwards, an end before the first element
// has to be counted from behind the last.
template <>
void write<Op::Slice>(Exporter& exporter, NodeProto& proto, const Node& node) {
  const auto &start = node.ints("start"), &step = node.ints("step"), &size = node.ints("size");
  std::vector<int64_t> end, axes;
  for (size_t d = 0; d < start.size(); ++d) {
    const int64_t last = start[d] + (size[d] - 1) * step[d];
    const int64_t past = step[d] > 0 ? last + 1 : last - 1;
    end.push_back(size[d] == 0 ? start[d] : past < 0 ? -node.in[0]->type.shape[d] - 1 : past);
    axes.push_back(static_cast<int64_t>(d));
  }
  exporter.add_operand(proto, "starts", start);
  exporter.add_operand(proto, "ends", end);
  exporter.add_operand(proto, "axes", axes);
  exporter.add_operand(proto, "steps", step);
}

template <>
void write<Op::CumSum>(Exporter& exporter, NodeProto& proto, const Node& node) {
  exporter.add_operand(proto, "axis", {node.int_attr("axis")}, true);
}

void write_reduce(Exporter& exporter, NodeProto& proto, const Node& node) {
  exporter.add_operand(proto, "axes", node.ints("axes"));
  set_attribute(proto, "keepdims", int64_t{0});
  set_attribute(proto, "noop_with_empty_axes", int64_t{1});
}

template <>
void write<Op::ReduceSum>(Exporter& exporter, NodeProto& proto, const Node& node) {
  write_reduce(exporter, proto, node);
}

template <>
void write<Op::ReduceMax>(Exporter& exporter, NodeProto& proto, const Node& node) {
  write_reduce(exporter, proto, node);
}

template <>
void write<Op::Cast>(Exporter&, NodeProto& proto, const Node& node) {
  set_attribute(proto, "to", int64_t{onnx_type_of(*parse_dtype(node.string_attr("to")))});
}

void write_attributes(NodeProto& proto, const Node& node) {
  for (const auto& [name, value] : node.attrs)
    std::visit([&](const auto& held) { set_attribute(proto, name, held); }, value);
}

template <Op op>
void write_op(Exporter& exporter, NodeProto& proto, const Node& node) {
  constexpr ExportedOp as = exported(op);
  if constexpr (as.form == OnnxForm::Different) {
    write<op>(exporter, proto, node);
  } else {
    write_attributes(proto, node);
  }
}

// The body of an op of domain ai.graphcore; null of any other.
#define BODY_None(id) nullptr
#define BODY_Same(id) nullptr
#define BODY_Wider(id) nullptr
#define BODY_Different(id) nullptr
#define BODY_Own(id) bodies::id
constexpr WriteBody kBodies[] = {
#define OP(id, text, min, max, elements, how, half, values, form, ...) BODY_##form(id),
#include "ir/ops.def"
#undef OP
};
#undef BODY_Own
#undef BODY_Different
#undef BODY_Wider
#undef BODY_Same
#undef BODY_None

void Exporter::add_node(const Node& node) {
  std::vector<std::string> inputs;
  for (const Node* operand : node.in)
    inputs.push_back(value_name_[folded_.contains(operand) ? operand->in[0] : operand]);
  const ExportedOp& as = exported(node.op);
  NodeProto& proto = named_node(as.name, node.name, inputs, value_name_[&node]);
  if (const WriteBody write = kBodies[static_cast<size_t>(node.op)]) {
    proto.set_domain(kGraphcoreDomain);
    proto.set_op_type(functions_.name_of(node, as.name, write));
  }
  std::string origins;
  for (const std::string& origin : node.origin)
    origins += (origins.empty() ? "from " : ", ") + origin;
  if (!origins.empty()) proto.set_doc_string(origins);
  switch (node.op) {
#define OP(id, ...) \
  case Op::id: return write_op<Op::id>(*this, proto, node);
#include "ir/ops.def"
#undef OP
  }
}

}  // namespace

Status export_onnx(const Graph& graph, const std::map<std::string, std::string>& model_dtypes,
                   const std::string& path, const std::string& packing) {
  return Exporter(graph, model_dtypes, path).run(packing);
}

}  // namespace tessera
