// SPDX-License-Identifier: Apache-2.0
#include "executor/pieces.h"

#include <algorithm>
#include <map>

#include "codelets/work.h"

namespace tessera {
namespace {

// Pieces for each thread, so that one that is held up does not keep the others waiting.
constexpr int64_t kPiecesPerThread = 16;

// The work of some seconds at most, in terms of products: between two pieces a run looks at the
// clock.
constexpr int64_t kMostWork = int64_t{1} << 34;

// The most that is counted: no run ends that has more.
constexpr int64_t kMostCounted = int64_t{1} << 47;

// How far each letter goes: an operand with size 1 there serves all of it.
std::map<char, int64_t> extents_of(const JoinedVertex& vertex) {
  std::map<char, int64_t> extents;
  for (const JoinedOperand& operand : vertex.operands) {
    for (size_t d = 0; d < operand.box.size(); ++d) {
      if (operand.letters[d] == '.') continue;
      int64_t& extent = extents[operand.letters[d]];
      extent = std::max(extent, operand.box[d].size());
    }
  }
  return extents;
}

int64_t product_of(const std::map<char, int64_t>& extents, int64_t weight) {
  int64_t work = weight;
  for (const auto& [letter, extent] : extents) {
    if (extent == 0) return 0;
    if (extent > kMostCounted / work) return kMostCounted;
    work *= extent;
  }
  return work;
}

void cut(const JoinedVertex& vertex, std::span<const Extents::Cut> cuts, int64_t wanted,
         std::vector<JoinedVertex>& pieces) {
  if (cuts.empty() || wanted <= 1) return pieces.push_back(vertex);
  const Extents::Cut& first = cuts.front();
  const std::map<char, int64_t> extents = extents_of(vertex);
  const auto found = extents.find(first.letter);
  if (found == extents.end()) return cut(vertex, cuts.subspan(1), wanted, pieces);
  const int64_t extent = found->second;
  const int64_t steps = ceil_div(extent, first.step);
  const int64_t parts = std::min(ceil_div(extent, first.worth), wanted);
  const auto begin = [&](int64_t p) { return std::min(extent, steps * p / parts * first.step); };
  for (int64_t p = 0; p < parts; ++p) {
    cut(part_along(vertex, first.letter, {begin(p), begin(p + 1)}), cuts.subspan(1),
        ceil_div(wanted, parts), pieces);
  }
}

}  // namespace

JoinedVertex part_along(JoinedVertex vertex, char letter, const Range& part) {
  for (JoinedOperand& operand : vertex.operands) {
    for (size_t d = 0; d < operand.box.size(); ++d) {
      Range& range = operand.box[d];
      if (operand.letters[d] != letter || range.size() == 1) continue;
      range = {range.begin + part.begin, range.begin + part.end};
    }
  }
  return vertex;
}

int64_t work_of(const JoinedVertex& vertex) {
  return product_of(extents_of(vertex), vertex.codelet->extents(vertex.shape()).weight);
}

int64_t work_of(const VertexShape& vertex, const Extents& letters) {
  std::map<char, int64_t> extents;
  for (size_t i = 0; i < vertex.operands.size(); ++i) {
    for (size_t d = 0; d < vertex.operands[i].size.size(); ++d) {
      if (letters.letters[i][d] == '.') continue;
      int64_t& extent = extents[letters.letters[i][d]];
      extent = std::max(extent, vertex.operands[i].size[d]);
    }
  }
  return product_of(extents, letters.weight);
}

std::vector<JoinedVertex> cut_into_pieces(const std::vector<JoinedVertex>& vertices, int threads,
                                          int64_t least_work) {
  const int64_t elements = product_of(extents_of(vertices[0]), 1);
  const auto count = static_cast<int64_t>(vertices.size());
  const int64_t most = ceil_div(kPiecesPerThread * threads, count);
  const int64_t worth = threads == 1 ? 1 : std::min(most, elements / least_work);
  const int64_t wanted = std::max(worth, ceil_div(work_of(vertices[0]), kMostWork));
  std::vector<JoinedVertex> pieces;
  for (const JoinedVertex& vertex : vertices) {
    const Extents extents = vertex.codelet->extents(vertex.shape());
    cut(vertex, extents.cuts, wanted, pieces);
  }
  return pieces;
}

VertexOperand operand_over(const JoinedOperand& operand, std::byte* base) {
  VertexOperand out{};
  const Shape stride = row_major_strides(operand.view);
  int64_t first = 0;
  for (size_t d = 0; d < kVertexRank; ++d) {
    out.size[d] = 1;
    if (d >= operand.box.size()) continue;
    const Range& range = operand.box[d];
    out.size[d] = range.size();
    out.begin[d] = range.begin;
    out.stride[d] = range.size() == 1 ? 0 : stride[d];
    first += range.begin * stride[d];
  }
  out.data = base + first * size_of(operand.dtype);
  return out;
}

}  // namespace tessera
