// SPDX-License-Identifier: Apache-2.0
#include "compiler/packing_text.h"

#include <nlohmann/json.hpp>

#include "passes/token_axes.h"
#include "support/lines.h"

namespace tessera {
namespace {

using Json = nlohmann::ordered_json;

Error bad(const std::string& what) {
  return Error{"packing of the model: " + what, ErrorKind::BadFile};
}

const Node* find_input(const Graph& graph, const std::string& name) {
  for (const Node* input : graph.inputs)
    if (input->name == name) return input;
  return nullptr;
}

// Further axes hold what a token has several of.
Status check_token_input(const Graph& graph, const std::string& name, const Shape& batch) {
  const Node* input = find_input(graph, name);
  if (input == nullptr) return bad("'" + name + "' is not an input of the graph, must be one");
  if (is_by_token(input->type, batch)) return {};
  return bad("input '" + name + "' is " + to_string(input->type) + ", must be " +
             to_string(TensorType{DType::I32, batch}));
}

Status check_input(const Graph& graph, const std::string& name, const Shape& shape) {
  const Node* input = find_input(graph, name);
  if (input == nullptr) return bad("'" + name + "' is not an input of the graph, must be one");
  const TensorType must{DType::I32, shape};
  if (input->type == must) return {};
  return bad("input '" + name + "' is " + to_string(input->type) + ", must be " + to_string(must));
}

Status check_contract(const PackingContract& contract, const Graph& graph) {
  const bool form_a = contract.form == PackingForm::A;
  for (const int64_t number : {contract.rows, contract.row_length, contract.segment_max_size})
    if (number < 1) return bad("a size is " + std::to_string(number) + ", must be positive");
  if (contract.segment_max_size > contract.row_length)
    return bad("segment_max_size is " + std::to_string(contract.segment_max_size) +
               ", must be at most row_length, " + std::to_string(contract.row_length));
  if (contract.max_valid_num < (form_a ? 1 : 0))
    return bad("max_valid_num is " + std::to_string(contract.max_valid_num) + ", must be positive");
  const Shape tokens = {contract.rows, contract.row_length};
  for (const std::string& name : contract.token_inputs) TRY(check_token_input(graph, name, tokens));
  TRY(check_input(graph, contract.ids_input, tokens));
  TRY(check_input(graph, contract.position_input, tokens));
  if (!contract.mask_input.empty()) TRY(check_input(graph, contract.mask_input, tokens));
  if (form_a || !contract.unpack_info_input.empty())
    TRY(check_input(graph, contract.unpack_info_input, unpack_info_shape(contract)));
  bool same = contract.outputs.size() == graph.outputs.size();
  for (size_t i = 0; same && i < graph.outputs.size(); ++i)
    same = contract.outputs[i].name == graph.outputs[i].name;
  if (!same) return bad("its outputs are not the graph's, must be the same, in order");
  return {};
}

PackingContract from_json(const Json& json) {
  PackingContract contract;
  contract.form =
      parse_packing_form(json.at("form").get<std::string>()).value_or(PackingForm::None);
  if (contract.form == PackingForm::None) {
    json.at("why_no_less").get_to(contract.why_no_less);
    return contract;
  }
  contract.request_size = RequestSize::Tokens;
  json.at("padding_id").get_to(contract.padding_id);
  contract.mask_hides = json.value("mask_hides", false);
  contract.padding_is_hidden = json.value("padding_is_hidden", false);
  json.at("rows").get_to(contract.rows);
  json.at("row_length").get_to(contract.row_length);
  json.at("max_valid_num").get_to(contract.max_valid_num);
  json.at("segment_max_size").get_to(contract.segment_max_size);
  json.at("token_inputs").get_to(contract.token_inputs);
  json.at("ids_input").get_to(contract.ids_input);
  json.at("mask_input").get_to(contract.mask_input);
  json.at("position_input").get_to(contract.position_input);
  json.at("unpack_info_input").get_to(contract.unpack_info_input);
  for (const Json& output : json.at("outputs"))
    contract.outputs.push_back({output.at("name"), output.at("per_request")});
  return contract;
}

}  // namespace

std::string packing_text(const PackingContract& contract) {
  if (contract.form == PackingForm::None) {
    if (contract.request_size == RequestSize::Tokens || contract.why_no_less.empty()) return "";
    return Json({
                    {"form",        to_string(contract.form)},
                    {"why_no_less", contract.why_no_less    }
    })
        .dump();
  }
  Json json = {
      {"form",              to_string(contract.form)  },
      {"rows",              contract.rows             },
      {"row_length",        contract.row_length       },
      {"max_valid_num",     contract.max_valid_num    },
      {"segment_max_size",  contract.segment_max_size },
      {"token_inputs",      contract.token_inputs     },
      {"ids_input",         contract.ids_input        },
      {"mask_input",        contract.mask_input       },
      {"position_input",    contract.position_input   },
      {"unpack_info_input", contract.unpack_info_input},
      {"padding_id",        contract.padding_id       }
  };
  if (contract.mask_hides) json["mask_hides"] = true;
  if (contract.padding_is_hidden) json["padding_is_hidden"] = true;
  for (const auto& output : contract.outputs)
    json["outputs"].push_back({
        {"name",        output.name       },
        {"per_request", output.per_request}
    });
  return json.dump();
}

Expected<PackingContract> parse_packing(const std::string& text, const Graph& graph) {
  if (const Status sound = check_json(text); !sound.ok()) return bad(sound.error().message);
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return bad("it is not JSON, must be what convert wrote");
  PackingContract contract;
  try {
    contract = from_json(json);
  } catch (const Json::exception& error) {
    return bad(std::string("it is not what convert wrote: ") + error.what());
  }
  if (contract.form != PackingForm::None) TRY(check_contract(contract, graph));
  return contract;
}

}  // namespace tessera
