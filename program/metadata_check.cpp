// SPDX-License-Identifier: Apache-2.0
#include "program/metadata_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <string_view>
#include <unordered_set>

#include "support/lines.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr int64_t kMostReplicas = 4096;

using Names = std::unordered_set<std::string_view>;

// A model may hand an input on as an output of the same name, but variables have their names alone:
// such an output's variable may have any.
bool is_handed_on(const Anchor& anchor, const Names& inputs) {
  return anchor.kind == AnchorKind::Output && inputs.contains(anchor.name);
}

Status check_anchor(const Anchor& anchor, const Variable& variable, AnchorKind kind,
                    const Names& inputs, int64_t replicas) {
  const TensorType is{anchor.dtype, anchor.shape};
  const TensorType must{variable.dtype, of_all_replicas(variable.shape, replicas)};
  const bool named = anchor.name == variable.name || is_handed_on(anchor, inputs);
  if (!named || anchor.kind != kind || is != must)
    return Error{fmt::format("anchor '{}' is {}, must be '{}', {}", anchor.name, to_string(is),
                             variable.name, to_string(must))};
  if (anchor.index_limit < 0)
    return Error{fmt::format("anchor '{}': index limit is {}, must not be negative", anchor.name,
                             anchor.index_limit)};
  if (anchor.size_limit < 0)
    return Error{fmt::format("anchor '{}': size limit is {}, must not be negative", anchor.name,
                             anchor.size_limit)};
  if (anchor.size_least.value_or(0) > 0)
    return Error{fmt::format("anchor '{}': size least is {}, must not be positive", anchor.name,
                             *anchor.size_least)};
  return {};
}

Status check_anchors(const Program& program, const Metadata& metadata) {
  const std::vector<Anchor>& anchors = metadata.anchors;
  const size_t inputs = program.inputs.size();
  if (anchors.size() != inputs + program.outputs.size())
    return Error{fmt::format("{} anchors, must be {} inputs and {} outputs", anchors.size(), inputs,
                             program.outputs.size())};
  Names of_inputs, of_outputs;
  for (size_t i = 0; i < anchors.size(); ++i) {
    const bool is_input = i < inputs;
    const VariableId id = is_input ? program.inputs[i] : program.outputs[i - inputs];
    TRY(check_anchor(anchors[i], program.variables[static_cast<size_t>(id)],
                     is_input ? AnchorKind::Input : AnchorKind::Output, of_inputs,
                     metadata.replication_factor));
    if (!(is_input ? of_inputs : of_outputs).insert(anchors[i].name).second)
      return Error{fmt::format("anchor '{}' is there twice, must be once", anchors[i].name)};
  }
  return {};
}

const Anchor* find_anchor(const Metadata& metadata, AnchorKind kind, std::string_view name) {
  for (const Anchor& anchor : metadata.anchors)
    if (anchor.kind == kind && anchor.name == name) return &anchor;
  return nullptr;
}

bool begins_with(const Shape& shape, const Shape& front) {
  return shape.size() >= front.size() && std::equal(front.begin(), front.end(), shape.begin());
}

// A runner will write rows x columns values into this input, so it must hold them.
Status check_packed_input(const Metadata& metadata, std::string_view name, const Shape& shape) {
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Input, name);
  if (anchor != nullptr && anchor->shape == shape) return {};
  return Error{fmt::format("packing: '{}' must be an input {}", name, to_string(shape))};
}

// Further axes hold what a token has several of.
Status check_token_input(const Metadata& metadata, std::string_view name) {
  const Shape batch = {metadata.packing.rows, metadata.packing.row_length};
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Input, name);
  if (anchor != nullptr && begins_with(anchor->shape, batch)) return {};
  return check_packed_input(metadata, name, batch);
}

// Lengths and starts, which are looked at as integers before every run.
Status check_unpack_info(const Metadata& metadata) {
  const PackingContract& packing = metadata.packing;
  TRY(check_packed_input(metadata, packing.unpack_info_input, unpack_info_shape(packing)));
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Input, packing.unpack_info_input);
  if (anchor->dtype == DType::I32) return {};
  return Error{fmt::format("packing: '{}' is {}, must be i32", packing.unpack_info_input,
                           to_string(anchor->dtype))};
}

Status check_packing_names(const PackingContract& packing) {
  std::vector<std::string_view> names = {packing.ids_input, packing.mask_input,
                                         packing.position_input, packing.unpack_info_input};
  for (const std::string& name : packing.token_inputs) names.push_back(name);
  for (const PackingContract::OutputRule& rule : packing.outputs) names.push_back(rule.name);
  names.push_back(packing.why_no_less);
  for (const std::string_view name : names)
    if (!is_plain_text(name))
      return Error{"packing: a name must be UTF-8 without control characters"};
  if (packing.form != PackingForm::None || packing.unpack_info_input.empty()) return {};
  return Error{
      fmt::format("packing: '{}' is an unpack_info, must be none where nothing is unpacked",
                  packing.unpack_info_input)};
}

Status check_packed_output(const Metadata& metadata, const PackingContract::OutputRule& rule) {
  const PackingContract& packing = metadata.packing;
  const Anchor* anchor = find_anchor(metadata, AnchorKind::Output, rule.name);
  const bool is_packed = packing.form != PackingForm::None;
  const bool unpacked = packing.form == PackingForm::A || (is_packed && rule.per_request);
  const int64_t first = unpacked ? packing.max_valid_num : packing.rows;
  const int64_t second = unpacked ? packing.segment_max_size : packing.row_length;
  if (anchor != nullptr && (rule.per_request ? begins_with(anchor->shape, {first})
                                             : begins_with(anchor->shape, {first, second})))
    return {};
  return Error{fmt::format("packing: '{}' must be an output [{}{}…]", rule.name, first,
                           rule.per_request ? "," : fmt::format(",{},", second))};
}

Status check_packing(const Metadata& metadata) {
  const PackingContract& packing = metadata.packing;
  for (int64_t size :
       {packing.rows, packing.row_length, packing.max_valid_num, packing.segment_max_size})
    if (size < 0 || size > kMaxElements)
      return Error{fmt::format("packing: a size is {}, must be 0 to 2^40", size)};
  TRY(check_packing_names(packing));
  const bool is_packed = packing.form != PackingForm::None;
  if (!is_packed && packing.ids_input.empty()) return {};  // no request to speak of
  if (packing.rows < 1 || packing.row_length < 1)
    return Error{"packing: rows and row length must be positive"};
  for (const std::string& name : packing.token_inputs) TRY(check_token_input(metadata, name));
  TRY(check_packed_input(metadata, packing.ids_input, {packing.rows, packing.row_length}));
  if (std::count(packing.token_inputs.begin(), packing.token_inputs.end(), packing.ids_input) != 1)
    return Error{fmt::format("packing: '{}' must be one of the token inputs", packing.ids_input)};
  for (const PackingContract::OutputRule& rule : packing.outputs)
    TRY(check_packed_output(metadata, rule));
  if (!is_packed) return {};
  for (const std::string& name : {packing.mask_input, packing.position_input})
    if (!name.empty()) TRY(check_packed_input(metadata, name, {packing.rows, packing.row_length}));
  const bool unpacks =
      packing.form == PackingForm::A || !packing.unpack_info_input.empty() ||
      std::ranges::any_of(packing.outputs, &PackingContract::OutputRule::per_request);
  if (!unpacks) return {};
  if (packing.max_valid_num < 1 || packing.segment_max_size < 1)
    return Error{"packing: max_valid_num and segment_max_size must be positive"};
  return check_unpack_info(metadata);
}

Status check_text(std::string_view text) {
  for (size_t begin = 0; begin <= text.size();) {  // by line: options may have several
    const size_t end = std::min(text.find('\n', begin), text.size());
    if (!is_plain_text(text.substr(begin, end - begin)))
      return Error{"a text must be UTF-8 without control characters"};
    begin = end + 1;
  }
  return {};
}

}  // namespace

Status check_metadata(const Program& program, const Metadata& metadata) {
  for (const std::string* text :
       {&metadata.compiler_version, &metadata.model_name, &metadata.label, &metadata.source_sha256,
        &metadata.options, &metadata.options_sha256, &metadata.memory.peak_superstep})
    TRY(check_text(*text));
  for (const Anchor& anchor : metadata.anchors) TRY(check_text(anchor.model_dtype));
  if (metadata.device_iterations != 1) return Error{"deviceIterations must be 1"};
  const int64_t replicas = metadata.replication_factor;
  if (replicas < 1 || replicas > kMostReplicas)
    return Error{fmt::format("replicationFactor is {}, must be 1 to {}", replicas, kMostReplicas)};
  if (metadata.num_ipus != program.target.ipus * replicas)
    return Error{fmt::format("numIpus is {}, must be {}, of each of {} replicas {}",
                             metadata.num_ipus, program.target.ipus * replicas, replicas,
                             program.target.ipus)};
  if (const double seconds = metadata.cycles.seconds_per_batch;
      !(seconds >= 0 && std::isfinite(seconds)))
    return Error{fmt::format("a batch takes {} s, must be finite and not negative", seconds)};
  for (const Variable& variable : program.variables) {
    const bool is_anchor =
        variable.kind == VariableKind::Input || variable.kind == VariableKind::Output;
    if (replicas > 1 && is_anchor && variable.shape.empty())
      return Error{fmt::format("'{}' has no rows that {} replicas could share, must have",
                               variable.name, replicas)};
  }
  TRY(check_anchors(program, metadata));
  return check_packing(metadata);
}

}  // namespace tessera
