// SPDX-License-Identifier: Apache-2.0
#include "passes/mask_cells.h"

#include <algorithm>
#include <numeric>

#include "passes/match.h"

namespace tessera {
namespace {

// Token ids compared with the padding id are a mask, but no function of a 0 and a 1.
bool asks_for_a_number(const Node* node) {
  if (!node->is(Op::Equal) && !node->is(Op::Less)) return false;
  if (node->in[0]->type.dtype != DType::I32) return false;
  const auto is_input = [](Node* in) {
    for (int i = 0; i < kFarthest && (is_view(in) || in->is(Op::Cast)); ++i) in = in->in[0];
    return in->is(Op::Input);
  };
  return (is_input(node->in[0]) || is_input(node->in[1])) && splat(node->in[0]) != 0.0 &&
         splat(node->in[1]) != 0.0;
}

std::vector<double> stretched(const std::vector<double>& data, const Shape& from, const Shape& to) {
  if (from == to) return data;
  Shape strides = row_major_strides(from);
  for (size_t d = 0; d < from.size(); ++d)
    if (from[d] == 1) strides[d] = 0;
  std::vector<double> result(elements(to));
  Shape place(to.size(), 0);
  int64_t at = 0;
  for (double& value : result) {
    value = data[at];
    for (size_t d = to.size(); d-- > 0;) {
      at += strides[d];
      if (++place[d] < to[d]) break;
      at -= strides[d] * to[d];
      place[d] = 0;
    }
  }
  return result;
}

// The result of `node` for these operands, which differ from its own in size alone.
std::optional<Array> made(const Node& node, const TensorType& type, const std::vector<Array>& in) {
  Node probe = node;
  probe.type = type;
  Expected<Array> result = eval(probe, in);
  if (!result) return std::nullopt;
  result->type = type;
  return result.take();
}

// Elements that only change place are moved as they are: all fit in a double.
bool move(const Node& node, const Shape& shape, std::vector<Array> in, std::vector<double>& to) {
  in[0].type.dtype = DType::F32;
  if (!node.is(Op::Gather))
    for (Array& part : in) part.type.dtype = DType::F32;
  std::optional<Array> result = made(node, {DType::F32, shape}, in);
  if (!result) return false;
  to = std::move(result->data);
  return true;
}

// Axes of size 1 come and go; the others must stay as they are.
std::optional<Shape> thin_reshaped(const Shape& thin, const Shape& from, const Shape& to) {
  Shape kept, wanted, carried;
  for (size_t d = 0; d < from.size(); ++d) {
    if (from[d] == 1) continue;
    kept.push_back(from[d]);
    carried.push_back(thin[d]);
  }
  Shape result(to.size(), 1);
  size_t next = 0;
  for (size_t d = 0; d < to.size(); ++d) {
    if (to[d] == 1) continue;
    wanted.push_back(to[d]);
    if (next < carried.size()) result[d] = carried[next++];
  }
  if (kept != wanted) return std::nullopt;
  return result;
}

}  // namespace

MaskCells stretched(const MaskCells& cells, const Shape& whole) {
  MaskCells result{.source = cells.source,
                   .shape = whole,
                   .token = stretched(cells.token, cells.shape, whole),
                   .at = {}};
  for (size_t i : {0, 1}) result.at[i] = stretched(cells.at[i], cells.shape, whole);
  return result;
}

// A mask input holds 0 and 1 by contract; any bool does by type. Ids and positions do not.
bool MaskReader::is_source(const Node* node) const {
  const bool two_valued =
      node->type.dtype == DType::Bool ||
      (node->type.dtype == DType::I32 && node->is(Op::Input) && !not_masks_.contains(node));
  return two_valued && node->type.shape.size() == 2;
}

bool MaskReader::may_hold(const Shape& shape) {
  const int64_t count = elements(shape);
  if (count > cells_left_) return false;
  cells_left_ -= count;
  return true;
}

bool MaskReader::read_operands(const Node* node, std::vector<const MaskCells*>& in) {
  for (Node* operand : node->in) {
    in.push_back(read(operand));
    if (!in.back()) return false;
  }
  return true;
}

bool MaskReader::read_constant(const Node* node, MaskCells& cells) {
  if (!node->value.has_data() || elements(node->type.shape) == 0) return false;
  const std::optional<double> number = uniform_value(node->value);
  cells.shape = number ? Shape(node->type.shape.size(), 1) : node->type.shape;
  if (!may_hold(cells.shape)) return false;
  cells.at[0] = number ? std::vector<double>{*number} : to_array(node->value).data;
  cells.at[1] = cells.at[0];
  cells.token.assign(cells.at[0].size(), kNoToken);
  return true;
}

bool MaskReader::read_view(const Node* node, MaskCells& cells) {
  const MaskCells* from = read(node->in[0]);
  if (!from) return false;
  const Shape& whole = node->in[0]->type.shape;
  const Shape& to = node->type.shape;
  std::optional<Shape> shape = from->shape;
  if (node->is(Op::Transpose)) {
    for (size_t d = 0; d < to.size(); ++d) (*shape)[d] = from->shape[node->ints("perm")[d]];
    cells.source = from->source;
    cells.shape = *shape;
    const auto moved = [&](const std::vector<double>& data, std::vector<double>& result) {
      return move(*node, *shape,
                  {
                      {{DType::F32, from->shape}, data}
      },
                  result);
    };
    return may_hold(*shape) && moved(from->token, cells.token) && moved(from->at[0], cells.at[0]) &&
           moved(from->at[1], cells.at[1]);
  }
  if (node->is(Op::Reshape))
    shape = thin_reshaped(from->shape, whole, to);
  else
    shape->insert(shape->begin(), to.size() - whole.size(), 1);
  if (!may_hold(shape ? *shape : to)) return false;
  cells = shape ? *from : stretched(*from, whole);
  cells.shape = shape ? *shape : to;
  return true;
}

// Slices, lookups at constant indices and values side by side: elements that change place.
bool MaskReader::read_move(const Node* node, MaskCells& cells) {
  std::vector<const MaskCells*> in;
  if (!read_operands(node, in) || !may_hold(node->type.shape)) return false;
  if (node->is(Op::Gather) && in[1]->source) return false;
  std::vector<MaskCells> whole;
  for (size_t i = 0; i < in.size(); ++i) {
    if (in[i]->source && cells.source && cells.source != in[i]->source) return false;
    if (in[i]->source) cells.source = in[i]->source;
    if (!may_hold(node->in[i]->type.shape)) return false;
    whole.push_back(stretched(*in[i], node->in[i]->type.shape));
  }
  cells.shape = node->type.shape;
  const auto moved = [&](auto part, std::vector<double>& to) {
    std::vector<Array> operands;
    for (size_t i = 0; i < whole.size(); ++i) {
      const bool is_index = node->is(Op::Gather) && i == 1;
      operands.push_back({node->in[i]->type, is_index ? whole[i].at[0] : part(whole[i])});
    }
    return move(*node, cells.shape, std::move(operands), to);
  };
  return moved([](const MaskCells& c) { return c.token; }, cells.token) &&
         moved([](const MaskCells& c) { return c.at[0]; }, cells.at[0]) &&
         moved([](const MaskCells& c) { return c.at[1]; }, cells.at[1]);
}

bool MaskReader::read_elementwise(const Node* node, MaskCells& cells) {
  std::vector<const MaskCells*> in;
  if (!read_operands(node, in)) return false;
  cells.shape.assign(node->type.shape.size(), 1);
  for (const MaskCells* part : in) {
    if (part->source && cells.source && part->source != cells.source) return false;
    if (part->source) cells.source = part->source;
    for (size_t d = 0; d < cells.shape.size(); ++d)
      cells.shape[d] = std::max(cells.shape[d], part->shape[d]);
  }
  if (!may_hold(cells.shape)) return false;
  cells.token.assign(elements(cells.shape), kNoToken);
  std::array<std::vector<Array>, 2> at;
  for (size_t i = 0; i < in.size(); ++i) {
    const MaskCells part = stretched(*in[i], cells.shape);
    for (size_t value : {0, 1})
      at[value].push_back({
          {node->in[i]->type.dtype, cells.shape},
          part.at[value]
      });
    for (size_t e = 0; e < cells.token.size(); ++e) {
      double& token = cells.token[e];
      if (part.token[e] == kNoToken || part.token[e] == token) continue;
      token = token == kNoToken ? part.token[e] : kManyTokens;
    }
  }
  for (size_t value : {0, 1}) {
    std::optional<Array> result = made(*node, {node->type.dtype, cells.shape}, at[value]);
    if (!result) return false;
    round_to_dtype(*result);
    cells.at[value] = std::move(result->data);
  }
  for (size_t e = 0; e < cells.token.size(); ++e)
    if (cells.token[e] >= 0 && same_bits(cells.at[0][e], cells.at[1][e])) cells.token[e] = kNoToken;
  return true;
}

void MaskReader::read_source(Node* node, MaskCells& cells) {
  cells = {.source = node, .shape = node->type.shape, .token = {}, .at = {}};
  const int64_t count = elements(cells.shape);
  cells.token.resize(count);
  std::iota(cells.token.begin(), cells.token.end(), 0.0);
  cells.at = {std::vector<double>(count, 0), std::vector<double>(count, 1)};
}

bool MaskReader::read_known(Node* node, MaskCells& cells) {
  if (node->is(Op::Constant)) return read_constant(node, cells);
  if (is_view(node)) return read_view(node, cells);
  if (node->is(Op::Slice) || node->is(Op::Gather) || node->is(Op::Concat))
    return read_move(node, cells);
  return info(node->op).elementwise && !asks_for_a_number(node) && read_elementwise(node, cells);
}

const MaskCells* MaskReader::read(Node* node) {
  if (const auto found = known_.find(node); found != known_.end()) return &found->second;
  if (refused_.contains(node)) return nullptr;
  MaskCells cells;
  const bool is_read = nodes_left_-- > 0 && read_known(node, cells);
  if (!is_read && is_source(node) && may_hold(node->type.shape)) {
    read_source(node, cells);
  } else if (!is_read) {
    refused_.insert(node);
    return nullptr;
  }
  return &known_.emplace(node, std::move(cells)).first->second;
}

}  // namespace tessera
