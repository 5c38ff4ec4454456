// SPDX-License-Identifier: Apache-2.0
#include "program/parts_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>

#include "program/bounds.h"
#include "program/deal.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr size_t kMaxName = 4096;
constexpr double kMaxInteger = 4e9;  // of a target
constexpr int64_t kMaxBatchesPerStep = 1'000'000;
constexpr double kMaxReal = 1e15;

}  // namespace

Status check_name(std::string_view name) {
  if (name.empty()) return Error{"name is empty, must not be"};
  if (name.size() > kMaxName)
    return Error{fmt::format("name has {} bytes, must have at most {}", name.size(), kMaxName)};
  if (!is_plain_text(name)) return Error{"name must be UTF-8 without control characters"};
  return {};
}

Status check_target(const Target& target) {
  TRY(check_name(target.name));
  Status status;
  for_each_field(target, [&status](const char* name, auto value) {
    const double number = static_cast<double>(value);
    const double limit = std::is_integral_v<decltype(value)> ? kMaxInteger : kMaxReal;
    if (status.ok() && !(number > 0 && number <= limit))
      status =
          Error{fmt::format("{} is {}, must be positive and at most {:g}", name, value, limit)};
  });
  TRY(status);
  if (target.exchange_efficiency > 1)
    return Error{
        fmt::format("exchange_efficiency is {}, must be at most 1", target.exchange_efficiency)};
  if (target.ipus > 1 && target.link_efficiency > 1)
    return Error{fmt::format("link_efficiency is {}, must be at most 1", target.link_efficiency)};
  if (target.tiles > kMaxTiles)
    return Error{fmt::format("tiles is {}, must be at most {}", target.tiles, kMaxTiles)};
  if (target.ipus >= 1 && target.ipus <= kMaxTiles / target.tiles) return {};
  return Error{fmt::format("ipus is {}, must be from 1 to {}, so that all have at most {} tiles",
                           target.ipus, kMaxTiles / target.tiles, kMaxTiles)};
}

Status check_host(const HostIo& host) {
  if (host.batches_per_step < 1 || host.batches_per_step > kMaxBatchesPerStep)
    return Error{fmt::format("batches_per_step is {}, must be from 1 to {}", host.batches_per_step,
                             kMaxBatchesPerStep)};
  if (host.io_tiles >= 0 && host.io_tiles <= kMaxTiles) return {};
  return Error{fmt::format("io_tiles is {}, must be from 0 to {}", host.io_tiles, kMaxTiles)};
}

Status check_view(const Variable& variable, const Shape& view) {
  if (is_valid_shape(view) && elements(view) == elements(variable.shape)) return {};
  return Error{fmt::format("view of '{}' is {}, must have the {} elements of {}", variable.name,
                           to_string(view), elements(variable.shape), to_string(variable.shape))};
}

Status check_tiles(TileId first, const Deal& deal, const std::vector<int64_t>& extents,
                   const Target& target) {
  const int64_t tiles = target.all_tiles();
  int64_t count = 1;
  for (int64_t extent : extents) {
    if (extent < 1) return Error{fmt::format("an extent is {}, must be at least 1", extent)};
    count = extent > tiles ? tiles + 1 : std::min(count * extent, tiles + 1);
  }
  if (deal != Deal{} && count <= tiles) return check_deal(first, deal, extents, target);
  if (int64_t{first.value} + count <= tiles) return {};
  return Error{fmt::format("tiles {} to {} are used, must be below {}", first.value,
                           first.value + count - 1, tiles)};
}

namespace {

Status check_mapping(const Variable& variable, const Target& target) {
  const Mapping& mapping = variable.mapping;
  TRY(check_view(variable, mapping.view));
  if (mapping.block.size() != mapping.view.size())
    return Error{fmt::format("block is {}, must have the rank of {}", to_string(mapping.block),
                             to_string(mapping.view))};
  std::vector<int64_t> counts;
  for (size_t d = 0; d < mapping.block.size(); ++d) {
    if (mapping.block[d] < 1 || mapping.block[d] > kMaxElements)
      return Error{fmt::format("block is {}, must be at least 1 and at most 2^40",
                               to_string(mapping.block))};
    counts.push_back((mapping.view[d] + mapping.block[d] - 1) / mapping.block[d]);
  }
  return check_tiles(mapping.first, mapping.deal, counts, target);
}

}  // namespace

Status check_variable(const Variable& variable, const Target& target) {
  if (!is_valid_shape(variable.shape) || elements(variable.shape) < 1)
    return Error{fmt::format("shape is {}, must have rank 0 to {} and 1 to 2^40 elements",
                             to_string(variable.shape), kMaxRank)};
  if (variable.kind != VariableKind::Constant && variable.constant != -1)
    return Error{fmt::format("constant is {}, must be -1 where the variable is not a constant",
                             variable.constant)};
  return check_mapping(variable, target);
}

Status check_dim(const RegionDim& dim, int64_t extent, const VertexGrid& grid) {
  if (dim.axis < -1 || dim.axis >= static_cast<int32_t>(grid.extent.size()))
    return Error{fmt::format("axis is {}, must be -1 or an axis of the grid {}", dim.axis,
                             to_string(grid.extent))};
  if (dim.axis == -1 && dim.step != 0)
    return Error{fmt::format("step is {}, must be 0 where no axis moves it", dim.step)};
  const auto in = [](int64_t x, int64_t low) { return x >= low && x <= kMaxElements; };
  if (!in(dim.offset, 0) || !in(dim.step, 0) || !in(dim.size, 1))
    return Error{
        fmt::format("offset {}, step {}, size {}: must be at least 0, 0, 1 and at most 2^40",
                    dim.offset, dim.step, dim.size)};
  const int64_t last = dim.axis < 0 ? 0 : grid.extent[static_cast<size_t>(dim.axis)] - 1;
  if (dim.offset + last * dim.step < extent) return {};
  return Error{fmt::format("last box begins at {}, must begin inside the extent {}",
                           dim.offset + last * dim.step, extent)};
}

}  // namespace tessera
