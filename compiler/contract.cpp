// SPDX-License-Identifier: Apache-2.0
#include "compiler/contract.h"

#include "compiler/packing_text.h"
#include "passes/packable.h"
#include "passes/paddable.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

// A batch of single requests, one in each row. `mask_hides`: in fp32 it was proved to.
PackingContract padded_contract(const Graph& graph, bool mask_hides, const std::string& of_length,
                                const std::string& of_rows) {
  PackingContract contract;
  const Paddable proof = prove_paddable(graph, of_length, of_rows);
  contract.why_no_less = visible(proof.why_not);
  if (proof.ids) {
    contract.rows = proof.ids->type.shape[0];
    contract.row_length = proof.ids->type.shape[1];
    contract.ids_input = proof.ids->name;
    const Node* mask = find_mask(graph, proof.ids);
    const Node* positions = find_positions(graph, proof.ids);
    if (mask) contract.mask_input = mask->name;
    contract.mask_hides = mask && (proof.mask_hides || mask_hides);
    if (proof.hides_id_0) contract.padding_id = 0;
    if (positions) contract.position_input = positions->name;
    for (const Node* input : graph.inputs)
      if (is_by_token(input->type, proof.ids->type.shape) && input != mask && input != positions)
        contract.token_inputs.push_back(input->name);
  }
  if (!proof.by_rows) return contract;
  contract.request_size = proof.by_tokens ? RequestSize::Tokens : RequestSize::Row;
  for (const Output& output : graph.outputs)
    contract.outputs.push_back({output.name, proof.per_request.contains(output.name)});
  return contract;
}

PackingContract packed_contract(const Graph& graph, const PassState& state) {
  PackingContract contract;
  contract.form = state.options.packing;
  const bool form_a = contract.form == PackingForm::A;
  contract.rows = state.packing.rows;
  contract.row_length = state.packing.row_length;
  contract.max_valid_num = state.packing.max_valid_num;
  contract.segment_max_size = form_a ? state.options.segment_max_size : state.packing.row_length;
  contract.token_inputs = state.packing.token_inputs;
  contract.ids_input = state.packing.ids_input;
  contract.mask_input = state.packing.mask_input;
  contract.position_input = state.packing.position_input;
  contract.unpack_info_input = state.packing.unpack_info_input;
  contract.padding_id = state.packing.padding_id;
  contract.mask_hides = state.packing.mask_hides;
  contract.padding_is_hidden = state.packing.padding_is_hidden;
  contract.request_size = RequestSize::Tokens;
  for (const Output& output : graph.outputs) {
    contract.outputs.push_back(
        {output.name, state.packing.per_request_outputs.contains(output.name)});
  }
  return contract;
}

}  // namespace

Expected<PackingContract> contract_of(const Graph& graph, const PassState& state,
                                      const std::string& text, const std::string& of_length,
                                      const std::string& of_rows) {
  if (state.options.packing != PackingForm::None) {
    if (!of_rows.empty()) return Error{of_rows};
    if (!of_length.empty()) return Error{of_length};
    return packed_contract(graph, state);
  }
  PackingContract kept;
  if (!text.empty()) kept = TRY(parse_packing(text, graph));
  if (kept.form != PackingForm::None) return kept;
  return padded_contract(graph, state.packing.mask_hides,
                         of_length.empty() ? kept.why_no_less : of_length, of_rows);
}

}  // namespace tessera
