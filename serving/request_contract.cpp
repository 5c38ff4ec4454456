// SPDX-License-Identifier: Apache-2.0
#include "serving/request_contract.h"

#include <algorithm>

#include "packing/pack.h"

namespace tessera {
namespace {

void default_name(std::string& name, const Metadata& metadata, const char* usual) {
  if (name.empty() && find_input(metadata, usual) != nullptr) name = usual;
}

}  // namespace

const Anchor* find_input(const Metadata& metadata, const std::string& name) {
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == AnchorKind::Input && anchor.name == name) return &anchor;
  return nullptr;
}

bool begins_with(const Shape& shape, const Shape& lead) {
  return shape.size() >= lead.size() && std::equal(lead.begin(), lead.end(), shape.begin());
}

Shape shape_of_token(const Metadata& metadata, const std::string& input) {
  const Anchor* anchor = find_input(metadata, input);
  if (anchor == nullptr || anchor->shape.size() < 2) return {};
  return {anchor->shape.begin() + 2, anchor->shape.end()};
}

Expected<PackingContract> request_contract(const Metadata& metadata) {
  PackingContract contract = metadata.packing;
  default_name(contract.ids_input, metadata, "input_ids");
  default_name(contract.mask_input, metadata, "attention_mask");
  default_name(contract.position_input, metadata, "position_ids");
  const Anchor* ids = find_input(metadata, contract.ids_input);
  if (ids == nullptr || ids->shape.size() != 2) {
    return Error{metadata.model_name +
                 ": has no input_ids [rows,row_length], must have one to take requests"};
  }
  if (contract.rows == 0) contract.rows = ids->shape[0];
  if (contract.row_length == 0) contract.row_length = ids->shape[1];
  if (const Status sound = check_contract(contract); !sound)
    return Error{metadata.model_name + ": " + sound.error().message};
  if (!contract.token_inputs.empty()) return contract;
  for (const Anchor& anchor : metadata.anchors) {
    const bool made = anchor.name == contract.mask_input || anchor.name == contract.position_input;
    if (anchor.kind == AnchorKind::Input && !made && begins_with(anchor.shape, ids->shape))
      contract.token_inputs.push_back(anchor.name);
  }
  return contract;
}

bool is_per_request(const PackingContract& contract, const Anchor& output) {
  for (const auto& rule : contract.outputs)
    if (rule.name == output.name) return rule.per_request;
  return contract.form == PackingForm::None;
}

}  // namespace tessera
