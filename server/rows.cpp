// SPDX-License-Identifier: Apache-2.0
#include "server/rows.h"

#include <fmt/format.h>

#include <algorithm>

#include "serving/rejection.h"
#include "serving/request_contract.h"

namespace tessera::server {

void RowFormat::add_input(const Metadata& metadata, const std::string& name) {
  const Anchor* anchor = find_input(metadata, name);
  if (anchor == nullptr || find(name) != nullptr) return;
  const Shape of_token = shape_of_token(metadata, name);
  inputs_.push_back({name, of_token});
  // Positions that packing makes are taken where they are given, and not asked for.
  if (name == contract_.position_input && contract_.form != PackingForm::None) return;
  TensorFacts facts{
      name, wire_type_of(anchor->model_dtype, anchor->dtype), {-1, -1}
  };
  const bool whole_rows = contract_.request_size != RequestSize::Tokens;
  if (whole_rows) facts.shape[1] = contract_.row_length;
  facts.shape.insert(facts.shape.end(), of_token.begin(), of_token.end());
  input_facts_.push_back(std::move(facts));
}

void RowFormat::add_output(const Anchor& anchor) {
  Output output{anchor, wire_type_of(anchor.model_dtype, anchor.dtype),
                output_of_request(contract_, anchor)};
  TensorFacts facts{anchor.name, output.type, {-1}};
  if (output.of_request.per_token)
    facts.shape.push_back(contract_.request_size == RequestSize::Tokens ? -1
                                                                        : contract_.row_length);
  const Shape& item = output.of_request.item;
  facts.shape.insert(facts.shape.end(), item.begin(), item.end());
  output_facts_.push_back(std::move(facts));
  outputs_.push_back(std::move(output));
}

Expected<RowFormat> RowFormat::create(const Metadata& metadata) {
  RowFormat format;
  format.contract_ = TRY(request_contract(metadata));
  const PackingContract& c = format.contract_;
  format.add_input(metadata, c.ids_input);
  format.add_input(metadata, c.mask_input);
  for (const std::string& name : c.token_inputs) format.add_input(metadata, name);
  format.add_input(metadata, c.position_input);
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == AnchorKind::Output) format.add_output(anchor);
  return format;
}

const RowFormat::Input* RowFormat::find(const std::string& name) const {
  const auto found = std::ranges::find(inputs_, name, &Input::name);
  return found == inputs_.end() ? nullptr : &*found;
}

std::string RowFormat::input_names() const {
  std::string names;
  for (const Input& input : inputs_) names += (names.empty() ? "" : ", ") + input.name;
  return names;
}

Status RowFormat::check_shape(const WireInput& input, const Shape& ids) const {
  Shape must = ids;
  const Shape& of_token = find(input.name)->of_token;
  must.insert(must.end(), of_token.begin(), of_token.end());
  if (input.shape == must) return {};
  return wrong_input(fmt::format("{} is {}, must be {} as {} is {}", input.name,
                                 tessera::to_string(input.shape), tessera::to_string(must),
                                 contract_.ids_input, tessera::to_string(ids)));
}

Expected<RowFormat::Rows> RowFormat::split(const InferCall& call, int64_t most_rows) const {
  const WireInput* ids = nullptr;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    const WireInput& input = call.inputs[i];
    if (find(input.name) == nullptr)
      return wrong_input(
          fmt::format("'{}' is not an input, must be one of {}", input.name, input_names()));
    for (size_t k = 0; k < i; ++k)
      if (call.inputs[k].name == input.name)
        return wrong_input(input.name + " is given twice, must be given once");
    TRY(check_input(input));
    if (input.name == contract_.ids_input) ids = &input;
  }
  if (ids == nullptr) return wrong_input(contract_.ids_input + " is missing, must be given");
  if (ids->shape.size() != 1 && ids->shape.size() != 2)
    return wrong_input(fmt::format("{} is {}, must be [rows,length] or [length]", ids->name,
                                   tessera::to_string(ids->shape)));
  Rows rows;
  rows.batched = ids->shape.size() == 2;
  rows.width = ids->shape.back();
  const int64_t count = rows.batched ? ids->shape[0] : 1;
  if (count < 1 || rows.width < 1)
    return wrong_input(fmt::format("{} is {}, must have at least a row of a token", ids->name,
                                   tessera::to_string(ids->shape)),
                       rejection::kEmpty);
  if (count > most_rows)
    return wrong_input(
        fmt::format("{} has {} rows, must have at most {} a call", ids->name, count, most_rows),
        refusal::kTooLarge);
  rows.requests.resize(static_cast<size_t>(count));
  for (const WireInput& input : call.inputs) {
    TRY(check_shape(input, ids->shape));
    const int64_t each = rows.width * elements(find(input.name)->of_token);
    for (int64_t row = 0; row < count; ++row)
      rows.requests[static_cast<size_t>(row)].tokens[input.name] =
          TRY(whole_numbers(input, row * each, each));
  }
  for (const std::string& name : call.outputs) {
    const auto is_named = [&](const Output& output) { return output.anchor.name == name; };
    const auto found = std::ranges::find_if(outputs_, is_named);
    if (found == outputs_.end()) return wrong_input("'" + name + "' is not an output of the model");
    const auto number = static_cast<size_t>(found - outputs_.begin());
    if (std::ranges::count(rows.outputs, number) != 0)
      return wrong_input("output " + name + " is asked for twice, must be once");
    rows.outputs.push_back(number);
  }
  for (size_t i = 0; call.outputs.empty() && i < outputs_.size(); ++i) rows.outputs.push_back(i);
  return rows;
}

int64_t RowFormat::answer_bytes(const Rows& rows) const {
  int64_t bytes = 0;
  for (const size_t number : rows.outputs) {
    const Output& output = outputs_[number];
    const int64_t items =
        std::ssize(rows.requests) * (output.of_request.per_token ? rows.width : 1);
    bytes += items * elements(output.of_request.item) * size_of(output.type);
  }
  return bytes;
}

std::vector<WireOutput> RowFormat::join(const Rows& shape_of,
                                        const std::vector<Answer>& answers) const {
  std::vector<WireOutput> joined;
  for (const size_t number : shape_of.outputs) {
    const Output& output = outputs_[number];
    const BatchOutput rows = join_rows(output.of_request, output.anchor, shape_of.width, answers);
    WireOutput out{output.anchor.name, output.type, rows.shape,
                   to_wire(rows.bytes, output.anchor.dtype, output.type)};
    if (!shape_of.batched) out.shape.erase(out.shape.begin());
    joined.push_back(std::move(out));
  }
  return joined;
}

}  // namespace tessera::server
