// SPDX-License-Identifier: Apache-2.0
#include "executor/batch_runner.h"

#include <algorithm>
#include <cstring>

namespace tessera {
namespace {

const Anchor* find_anchor(const Metadata& metadata, AnchorKind kind, const std::string& name) {
  for (const Anchor& anchor : metadata.anchors) {
    if (anchor.kind == kind && anchor.name == name) return &anchor;
  }
  return nullptr;
}

bool has_name(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void default_name(std::string& name, const Metadata& metadata, const char* usual) {
  if (name.empty() && find_anchor(metadata, AnchorKind::Input, usual) != nullptr) name = usual;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

Error wrong(const std::string& what) { return Error{"request: " + what}; }

}  // namespace

Expected<PackingContract> request_contract(const Metadata& metadata) {
  PackingContract contract = metadata.packing;
  default_name(contract.ids_input, metadata, "input_ids");
  default_name(contract.mask_input, metadata, "attention_mask");
  default_name(contract.position_input, metadata, "position_ids");
  const Anchor* ids = find_anchor(metadata, AnchorKind::Input, contract.ids_input);
  if (ids == nullptr || ids->shape.size() != 2) {
    return Error{metadata.model_name +
                 ": has no input_ids [rows,row_length], must have one to take requests"};
  }
  if (contract.rows == 0) contract.rows = ids->shape[0];
  if (contract.row_length == 0) contract.row_length = ids->shape[1];
  if (!contract.token_inputs.empty()) return contract;
  for (const Anchor& anchor : metadata.anchors) {
    const bool made = anchor.name == contract.mask_input || anchor.name == contract.position_input;
    if (anchor.kind == AnchorKind::Input && !made && anchor.shape == ids->shape)
      contract.token_inputs.push_back(anchor.name);
  }
  return contract;
}

BatchRunner::BatchRunner(ModelRunner& runner, PackingContract contract)
    : runner_(runner), contract_(std::move(contract)) {}

Expected<std::unique_ptr<BatchRunner>> BatchRunner::create(ModelRunner& runner) {
  const Metadata& metadata = runner.executable().metadata;
  std::unique_ptr<BatchRunner> out(new BatchRunner(runner, TRY(request_contract(metadata))));
  for (const Anchor& anchor : metadata.anchors) {
    if (anchor.kind == AnchorKind::Input) out->inputs_.push_back(&anchor);
  }
  TRY(out->check_inputs());
  TRY(out->plan_outputs());
  return out;
}

// Every input is one that packing fills, of the type that it fills.
Status BatchRunner::check_inputs() const {
  const PackingContract& c = contract_;
  for (const Anchor* anchor : inputs_) {
    const bool info = anchor->name == c.unpack_info_input;
    const bool known = info || anchor->name == c.mask_input || anchor->name == c.position_input ||
                       has_name(c.token_inputs, anchor->name);
    if (!known) {
      return Error{"packing: nothing says what input " + anchor->name +
                   " carries, must be tokens, mask, positions or unpack_info"};
    }
    const TensorType is{anchor->dtype, anchor->shape};
    const TensorType must{
        DType::I32, info ? Shape{c.max_valid_num, 1           }
           : Shape{c.rows,          c.row_length}
    };
    if (is == must) continue;
    return Error{"packing: input " + anchor->name + " is " + to_string(is) + ", must be " +
                 to_string(must)};
  }
  return {};
}

// An output has leading dimensions that say whose it is, and then one item.
Status BatchRunner::plan_outputs() {
  const PackingContract& c = contract_;
  const bool unpacked = c.form == PackingForm::UnpackRepack;
  const Shape by_token =
      unpacked ? Shape{c.max_valid_num, c.segment_max_size} : Shape{c.rows, c.row_length};
  for (const Anchor& anchor : runner_.executable().metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    OutputPlan plan{
        &anchor, {anchor.name, false},
         0
    };
    for (const auto& rule : c.outputs) {
      if (rule.name == anchor.name) plan.rule = rule;
    }
    const Shape& shape = anchor.shape;
    const auto begins_with = [&](const Shape& lead) {
      return shape.size() >= lead.size() && std::equal(lead.begin(), lead.end(), shape.begin());
    };
    if (c.form == PackingForm::None) plan.rule.per_request = !begins_with(by_token);
    const Shape lead = plan.rule.per_request ? Shape{by_token[0]} : by_token;
    if (!begins_with(lead) || (plan.rule.per_request && c.form == PackingForm::AttentionMask)) {
      return Error{"packing: output " + anchor.name + " is " + to_string(shape) +
                   ", must begin with " + to_string(by_token)};
    }
    plan.item_bytes =
        elements(Shape(shape.begin() + std::ssize(lead), shape.end())) * size_of(anchor.dtype);
    outputs_.push_back(std::move(plan));
  }
  return {};
}

Status BatchRunner::check_tokens(const std::string& name, const std::vector<int32_t>& tokens,
                                 size_t length) const {
  if (name == contract_.position_input || name == contract_.unpack_info_input)
    return wrong(name + " is given, must be left to packing");
  if (name != contract_.mask_input && !has_name(contract_.token_inputs, name))
    return wrong(name + " is no input, must be one of " + join(contract_.token_inputs));
  if (tokens.size() != length) {
    return wrong(name + " has " + std::to_string(tokens.size()) + " tokens, must have " +
                 std::to_string(length) + " as " + contract_.ids_input);
  }
  const Anchor* anchor = find_anchor(runner_.executable().metadata, AnchorKind::Input, name);
  const int64_t limit = anchor == nullptr ? 0 : anchor->index_limit;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (name == contract_.mask_input && tokens[i] != 1) {
      return wrong(name + " has a " + std::to_string(tokens[i]) + " at " + std::to_string(i) +
                   ", must be 1 for every token of a request");
    }
    if (limit > 0 && (tokens[i] < 0 || tokens[i] >= limit)) {
      return wrong(name + " has value " + std::to_string(tokens[i]) + " at " + std::to_string(i) +
                   ", must be in 0.." + std::to_string(limit - 1));
    }
  }
  return {};
}

Expected<int64_t> BatchRunner::check(const Request& request) const {
  const auto ids = request.tokens.find(contract_.ids_input);
  if (ids == request.tokens.end()) return wrong(contract_.ids_input + " is missing, must be given");
  const size_t length = ids->second.size();
  const int64_t longest = longest_request(contract_);
  if (length < 1 || static_cast<int64_t>(length) > longest) {
    return wrong(contract_.ids_input + " has " + std::to_string(length) + " tokens, must be 1.." +
                 std::to_string(longest));
  }
  for (const auto& [name, tokens] : request.tokens) TRY(check_tokens(name, tokens, length));
  return static_cast<int64_t>(length);
}

std::vector<int32_t> BatchRunner::batch_input(const std::string& name, const PackedBatch& batch,
                                              std::span<const Request* const> requests) const {
  if (name == contract_.mask_input) return packed_mask(contract_, batch);
  if (name == contract_.position_input) return packed_positions(contract_, batch);
  if (name == contract_.unpack_info_input) return packed_unpack_info(contract_, batch);
  const std::vector<int32_t> zeros(static_cast<size_t>(longest_request(contract_)));
  std::vector<std::span<const int32_t>> tokens(requests.size());
  for (const Placement& place : batch.placements) {
    const auto& given = requests[place.request]->tokens;
    const auto found = given.find(name);
    const std::vector<int32_t>& all = found == given.end() ? zeros : found->second;
    tokens[place.request] = std::span(all).first(static_cast<size_t>(place.length));
  }
  return packed_tokens(contract_, batch, tokens);
}

OutputSlice BatchRunner::slice(const OutputPlan& plan, const PackedBatch& batch,
                               size_t ordinal) const {
  if (contract_.form == PackingForm::None && plan.rule.per_request) {
    const int64_t row = batch.placements[ordinal].start / contract_.row_length;
    return {row * plan.item_bytes, plan.item_bytes};
  }
  return output_slice(contract_, plan.rule, batch, ordinal, plan.item_bytes);
}

Expected<std::vector<Answer>> BatchRunner::run(const PackedBatch& batch,
                                               std::span<const Request* const> requests,
                                               uint64_t number) {
  std::vector<std::vector<int32_t>> in;
  std::vector<std::vector<std::byte>> out;
  InputViews inputs;
  OutputViews outputs;
  for (const Anchor* anchor : inputs_) {
    in.push_back(batch_input(anchor->name, batch, requests));
    inputs[anchor->name] = {anchor->dtype, false, anchor->shape,
                            std::as_bytes(std::span(in.back()))};
  }
  for (const OutputPlan& plan : outputs_) {
    const Anchor& anchor = *plan.anchor;
    out.emplace_back(static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype)));
    outputs[anchor.name] = {anchor.dtype, anchor.shape, out.back()};
  }
  TRY(runner_.run(inputs, outputs));

  std::vector<Answer> answers(batch.placements.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    answers[i].batch = number;
    answers[i].ordinal = static_cast<int64_t>(i);
    for (size_t o = 0; o < outputs_.size(); ++o) {
      const OutputSlice mine = slice(outputs_[o], batch, i);
      const auto bytes = std::span(out[o]).subspan(static_cast<size_t>(mine.offset),
                                                   static_cast<size_t>(mine.bytes));
      answers[i].outputs[outputs_[o].anchor->name].assign(bytes.begin(), bytes.end());
    }
  }
  return answers;
}

}  // namespace tessera
