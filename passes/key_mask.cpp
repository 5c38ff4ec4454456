// SPDX-License-Identifier: Apache-2.0
#include "passes/key_mask.h"

#include "passes/mask_values.h"
#include "passes/match.h"

namespace tessera {
namespace {

std::optional<KeyFunction> read(Node* node, const NotMasks& not_masks) {
  const Shape& shape = node->type.shape;
  if (shape.size() != 4) return std::nullopt;
  MaskReader reader(not_masks);
  const MaskCells* cells = reader.read(node);
  if (!cells || !cells->source) return std::nullopt;
  const Shape& source = cells->source->type.shape;
  const int64_t batch = source[0], keys = source[1];
  if (shape[3] != keys || (batch != 1 && shape[0] != batch)) return std::nullopt;
  KeyFunction f{
      cells->source, {cells->at[0][0], cells->at[1][0]}
  };
  const Shape strides = row_major_strides(cells->shape);
  for (size_t i = 0; i < cells->token.size(); ++i) {
    const int64_t element = static_cast<int64_t>(i);
    const int64_t b = batch == 1 ? 0 : element / strides[0];
    const int64_t key = element / strides[3] % cells->shape[3];
    if (cells->token[i] != static_cast<double>(b * keys + key)) return std::nullopt;
    for (size_t value : {0, 1})
      if (!same_bits(cells->at[value][i], f.at[value])) return std::nullopt;
  }
  const bool is_whole = cells->shape[3] == keys && (batch == 1 || cells->shape[0] == batch);
  return is_whole ? std::optional(f) : std::nullopt;
}

}  // namespace

KeyFunctions::KeyFunctions(const Graph& graph) : not_masks_(index_inputs(graph)) {}

std::optional<KeyFunction> KeyFunctions::of_scores(Node* node) {
  const auto [found, is_new] = known_.try_emplace(node);
  if (is_new) found->second = read(node, not_masks_);
  return found->second;
}

}  // namespace tessera
