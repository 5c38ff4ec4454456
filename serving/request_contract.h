// SPDX-License-Identifier: Apache-2.0
// The contract by which an executable takes requests, read from its metadata.
#pragma once

#include <string>

#include "program/packing_contract.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// The contract of an executable, with what its compiler left open taken from the usual names
// (input_ids, attention_mask, position_ids). An error where it cannot take requests.
Expected<PackingContract> request_contract(const Metadata& metadata);
// The shape of one token in this input: {} if it is one number.
Shape shape_of_token(const Metadata& metadata, const std::string& input);
// Whether an output holds one value of a request, and not one of each token. Without word from the
// compiler a request has all of its row.
bool is_per_request(const PackingContract& contract, const Anchor& output);

const Anchor* find_input(const Metadata& metadata, const std::string& name);  // null: not one
bool begins_with(const Shape& shape, const Shape& lead);

}  // namespace tessera
