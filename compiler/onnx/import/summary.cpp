// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/import/summary.h"

#include <map>
#include <nlohmann/json.hpp>

#include "compiler/onnx/import/inputs.h"
#include "compiler/onnx/import/op_table.h"
#include "compiler/onnx/model_file.h"
#include "compiler/onnx/tensor.h"

namespace tessera {
namespace {

ModelSummary::Tensor tensor_of(const ::onnx::ValueInfoProto& value) {
  const auto& type = value.type().tensor_type();
  std::string text = element_type_name(type.elem_type()) + "[";
  for (int i = 0; i < type.shape().dim_size(); ++i) {
    const auto& dim = type.shape().dim(i);
    text += i == 0 ? "" : ",";
    if (dim.has_dim_value())
      text += std::to_string(dim.dim_value());
    else
      text += dim.dim_param().empty() ? "?" : printable(dim.dim_param());
  }
  return {printable(value.name()), text + "]"};
}

bool is_supported(const ::onnx::NodeProto& node) {
  return find_onnx_op(node.domain(), node.op_type()) != nullptr ||
         (node.op_type() == "If" && node.domain().empty());
}

}  // namespace

Expected<ModelSummary> summarize_onnx(const std::string& path, const Limits& limits) {
  const ModelFile file = TRY(read_model_file(path, limits));
  const ::onnx::ModelProto& model = *file.model;
  ModelSummary summary;
  summary.producer = printable(model.producer_name());
  if (!model.producer_version().empty())
    summary.producer += " " + printable(model.producer_version());
  summary.sha256 = to_hex(file.sha256);
  summary.ir_version = model.ir_version();
  for (const auto& opset : model.opset_import())
    summary.opsets.emplace_back(opset.domain().empty() ? "ai.onnx" : printable(opset.domain()),
                                opset.version());
  for (const auto* input : declared_inputs(model.graph()))
    summary.inputs.push_back(tensor_of(*input));
  for (const auto& output : model.graph().output()) summary.outputs.push_back(tensor_of(output));
  std::map<std::string, ModelSummary::OpCount> ops;
  for (const auto& node : model.graph().node()) {
    const std::string domain =
        node.domain().empty() || node.domain() == "ai.onnx" ? "" : printable(node.domain()) + ".";
    ModelSummary::OpCount& op = ops[domain + printable(node.op_type())];
    op.op = domain + printable(node.op_type());
    ++op.count;
    op.supported = is_supported(node);
  }
  for (auto& [name, op] : ops) summary.ops.push_back(std::move(op));
  summary.nodes = model.graph().node_size();
  summary.initializers = model.graph().initializer_size();
  return summary;
}

nlohmann::ordered_json summary_json(const ModelSummary& summary) {
  using Json = nlohmann::ordered_json;
  const auto tensors = [](const std::vector<ModelSummary::Tensor>& all) {
    Json list = Json::array();
    for (const auto& tensor : all)
      list.push_back({
          {"name", tensor.name},
          {"type", tensor.type}
      });
    return list;
  };
  Json json = {
      {"schema",       "tessera-inspect-model/1"},
      {"producer",     summary.producer         },
      {"sha256",       summary.sha256           },
      {"ir_version",   summary.ir_version       },
      {"opsets",       Json::object()           },
      {"inputs",       tensors(summary.inputs)  },
      {"outputs",      tensors(summary.outputs) },
      {"nodes",        summary.nodes            },
      {"initializers", summary.initializers     },
      {"ops",          Json::array()            }
  };
  for (const auto& [domain, version] : summary.opsets) json["opsets"][domain] = version;
  for (const auto& op : summary.ops)
    json["ops"].push_back({
        {"op",        op.op       },
        {"count",     op.count    },
        {"supported", op.supported}
    });
  return json;
}

}  // namespace tessera
