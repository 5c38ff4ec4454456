// SPDX-License-Identifier: Apache-2.0
#include "session/padding.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <tuple>

#include "session/session.h"

namespace tessera {
namespace {

struct Batch {
  int64_t rows = 0, tokens = 0;
};

Batch batch_of(const InputShapes& shapes) {
  const Shape& first = shapes.begin()->second;
  return {first[0], first[1]};
}

// Whether all inputs are [rows,tokens] of one size.
bool is_batch(const InputShapes& shapes) {
  return !shapes.empty() && std::ranges::all_of(shapes, [&](const auto& input) {
    return input.second.size() == 2 && input.second == shapes.begin()->second;
  });
}

// Added tokens are 0: a mask of 0 hides them, and every table has an entry 0; a mask that hides by
// 1 is `filled` with that. Added rows repeat the first row, because a row without tokens would
// leave attention without keys.
std::vector<std::byte> padded(std::span<const std::byte> bytes, Batch from, Batch to, bool filled) {
  const size_t item = bytes.size() / static_cast<size_t>(from.rows * from.tokens);
  const size_t row = item * static_cast<size_t>(from.tokens);
  const size_t padded_row = item * static_cast<size_t>(to.tokens);
  std::vector<std::byte> result(padded_row * static_cast<size_t>(to.rows));
  for (int64_t r = 0; r < to.rows; ++r) {
    const auto source = static_cast<size_t>(r < from.rows ? r : 0);
    std::memcpy(result.data() + static_cast<size_t>(r) * padded_row, bytes.data() + source * row,
                row);
    const auto first = static_cast<size_t>(r) * padded_row;  // of little-endian integers
    for (size_t at = first + row; filled && at < first + padded_row; at += item)
      result[at] = std::byte{1};
  }
  return result;
}

Expected<std::vector<std::byte>> padded_input(const std::string& name, const InputView& view,
                                              Batch from, Batch to, bool filled) {
  const Shape wanted{from.rows, from.tokens};
  if (view.shape != wanted)
    return Error{name + ": is " + to_string(view.shape) + ", must be " + to_string(wanted)};
  const int64_t item = view.wide ? 8 : size_of(view.dtype);
  if (std::ssize(view.bytes) != elements(wanted) * item)
    return Error{name + ": has " + std::to_string(view.bytes.size()) + " bytes, must have " +
                 std::to_string(elements(wanted) * item)};
  return padded(view.bytes, from, to, filled);
}

// The first rows, and in each the first tokens if the output has one value per token.
HostTensor cut(const HostTensor& whole, const Shape& shape) {
  HostTensor part{whole.dtype, shape, {}};
  part.bytes.resize(static_cast<size_t>(elements(shape) * size_of(whole.dtype)));
  const auto rows = static_cast<size_t>(shape[0]);
  if (rows == 0) return part;
  const size_t bytes = part.bytes.size() / rows;
  const size_t stride = whole.bytes.size() / static_cast<size_t>(whole.shape[0]);
  for (size_t r = 0; r < rows; ++r)
    std::memcpy(part.bytes.data() + r * bytes, whole.bytes.data() + r * stride, bytes);
  return part;
}

// The cells of the larger batch that the smaller one fills.
UsedCells cells_of(const Batch& from, const Batch& to) {
  UsedCells used(static_cast<size_t>(to.rows * to.tokens));
  for (int64_t row = 0; row < from.rows; ++row)
    std::fill_n(used.begin() + row * to.tokens, from.tokens, true);
  return used;
}

Expected<HostTensors> run_exact(ModelRunner& runner, const InputViews& inputs,
                                UsedCells used = {}) {
  HostTensors outputs;
  OutputViews views;
  for (const Anchor& anchor : runner.executable().metadata.anchors) {
    if (anchor.kind != AnchorKind::Output) continue;
    HostTensor& tensor = outputs[anchor.name];
    tensor = {anchor.dtype, anchor.shape, {}};
    tensor.bytes.resize(static_cast<size_t>(elements(anchor.shape) * size_of(anchor.dtype)));
    views.emplace(anchor.name, OutputView{anchor.dtype, anchor.shape, tensor.bytes});
  }
  TRY(runner.run(inputs, views, std::move(used)));
  return outputs;
}

// Whether the two differ only in the sizes of inputs, and batches of the second fit.
bool can_serve(const ExecutableKey& larger, const ExecutableKey& asked) {
  const bool same_dtypes = std::ranges::equal(
      larger.inputs, asked.inputs,
      [](const auto& a, const auto& b) { return a.name == b.name && a.dtype == b.dtype; });
  return larger.graph == asked.graph && larger.weights == asked.weights &&
         larger.options == asked.options && larger.target == asked.target &&
         larger.compiler == asked.compiler && same_dtypes &&
         covers(shapes_of(larger), shapes_of(asked));
}

// A row that its mask hides is answered by what all its cells hold, padding too.
Status check_rows_are_seen(const PackingContract& contract, const InputViews& inputs, Batch batch) {
  const bool by_ids = contract.padding_id >= 0 && contract.form == PackingForm::None;
  for (const auto& [name, view] : inputs) {
    if (name != contract.mask_input && !(by_ids && name == contract.ids_input)) continue;
    const bool is_ids = name == contract.ids_input;
    const size_t item = view.bytes.size() / static_cast<size_t>(batch.rows * batch.tokens);
    for (int64_t r = 0; r < batch.rows; ++r) {
      const auto row = view.bytes.subspan(static_cast<size_t>(r * batch.tokens) * item,
                                          static_cast<size_t>(batch.tokens) * item);
      // Added cells hold 0, ids too, and the mask hides 0 and nothing else.
      const bool by_1 = contract.mask_hides && !is_ids;
      const auto is_seen = [&](std::span<const std::byte> value) {
        const auto is_0 = [](std::byte byte) { return byte == std::byte{0}; };
        return std::ranges::all_of(value, is_0) == by_1;
      };
      bool any = false;
      for (size_t at = 0; at < row.size(); at += item) any |= is_seen(row.subspan(at, item));
      if (any) continue;
      return Error{
          fmt::format("{}: row {} has {}, must have a token that the model sees to be padded", name,
                      r, is_ids ? "padding ids alone" : "no token")};
    }
  }
  return {};
}

// The contract's rule for an output; null if it has none.
const PackingContract::OutputRule* rule_of(const Metadata& metadata, const Anchor& output) {
  for (const auto& rule : metadata.packing.outputs)
    if (rule.name == output.name) return &rule;
  return nullptr;
}

// Whether the contract says of every output that it has the batch's rows in front, and its tokens
// behind them where it holds one value a token.
bool outputs_can_be_cut(const Metadata& larger) {
  const Anchor& input = *std::ranges::find(larger.anchors, AnchorKind::Input, &Anchor::kind);
  return std::ranges::all_of(larger.anchors, [&](const Anchor& anchor) {
    if (anchor.kind == AnchorKind::Input) return true;
    const auto* rule = rule_of(larger, anchor);
    if (!rule) return false;
    const size_t axes = rule->per_request ? 1 : 2;
    return anchor.shape.size() >= axes &&
           std::equal(input.shape.begin(), input.shape.begin() + static_cast<std::ptrdiff_t>(axes),
                      anchor.shape.begin());
  });
}

}  // namespace

bool covers(const InputShapes& larger, const InputShapes& asked) {
  if (!is_batch(larger) || !is_batch(asked)) return false;
  const bool same_names = std::ranges::equal(
      larger, asked, {}, [](const auto& input) { return input.first; },
      [](const auto& input) { return input.first; });
  const Batch a = batch_of(asked), b = batch_of(larger);
  return same_names && a.rows > 0 && a.tokens > 0 && b.rows >= a.rows && b.tokens >= a.tokens;
}

std::string why_not_padded(const Metadata& larger, const InputShapes& asked) {
  const PackingContract& contract = larger.packing;
  if (!outputs_can_be_cut(larger)) return "the executable does not say what its outputs hold";
  if (contract.request_size == RequestSize::Tokens) return "";
  const bool adds_rows_alone = std::ranges::all_of(larger.anchors, [&](const Anchor& anchor) {
    return anchor.kind == AnchorKind::Output || anchor.shape[1] == asked.at(anchor.name)[1];
  });
  if (contract.request_size == RequestSize::Row && adds_rows_alone) return "";
  return contract.why_no_less.empty() ? "the executable does not say that it may be padded"
                                      : contract.why_no_less;
}

const ExecutableKey* smallest_that_serves(const std::vector<const ExecutableKey*>& keys,
                                          const ExecutableKey& asked) {
  const ExecutableKey* best = nullptr;
  const auto size = [](const ExecutableKey& key) {
    const InputShapes shapes = shapes_of(key);
    return std::tuple(elements_of(shapes), shapes);
  };
  for (const ExecutableKey* key : keys)
    if (can_serve(*key, asked) && (!best || size(*key) < size(*best))) best = key;
  return best;
}

std::vector<NotFinite> Serving::not_finite(const HostTensors& outputs) const {
  std::vector<NotFinite> found;
  if (!runner->computes_in_half()) return found;
  for (const auto& [name, tensor] : outputs)
    find_not_finite(name, tensor.dtype, tensor.bytes, found);
  return found;
}

std::vector<Anchor> Serving::anchors() const {
  std::vector<Anchor> anchors = runner->executable().metadata.anchors;
  if (!is_padded) return anchors;
  const Batch batch = batch_of(asked);
  for (Anchor& anchor : anchors)
    if (anchor.kind == AnchorKind::Input) anchor.shape = asked.at(anchor.name);
  for (Anchor& anchor : anchors) {
    if (anchor.kind == AnchorKind::Input) continue;
    anchor.shape[0] = batch.rows;
    if (!rule_of(runner->executable().metadata, anchor)->per_request)
      anchor.shape[1] = batch.tokens;
  }
  return anchors;
}

Expected<HostTensors> Serving::run(const InputViews& inputs) const {
  if (!is_padded) return run_exact(*runner, inputs);
  InputShapes larger;
  for (const Anchor& anchor : runner->executable().metadata.anchors)
    if (anchor.kind == AnchorKind::Input) larger[anchor.name] = anchor.shape;
  const Batch from = batch_of(asked), to = batch_of(larger);
  const PackingContract& contract = runner->executable().metadata.packing;
  std::map<std::string, std::vector<std::byte>> bytes;
  InputViews views = inputs;
  for (auto& [name, view] : views) {
    const bool filled = contract.mask_hides && name == contract.mask_input;
    bytes[name] = TRY(padded_input(name, view, from, to, filled));
    view.shape = {to.rows, to.tokens};
    view.bytes = bytes[name];
  }
  TRY(check_rows_are_seen(contract, inputs, from));
  HostTensors whole = TRY(run_exact(*runner, views, cells_of(from, to)));
  HostTensors outputs;
  for (const Anchor& anchor : anchors())
    if (anchor.kind == AnchorKind::Output)
      outputs[anchor.name] = cut(whole[anchor.name], anchor.shape);
  return outputs;
}

}  // namespace tessera
