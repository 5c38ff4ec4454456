// SPDX-License-Identifier: Apache-2.0
#include "executor/hidden_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "executor/index_check.h"
#include "support/half.h"

namespace tessera {
namespace {

// f32's exponential of minus this is 0.
constexpr double kVanishes = 104;
// Scores of what f16 does not hold any more are not as large as this, either.
constexpr double kHidesAny = -1e9;

struct HeardKey {
  int64_t row = 0, key = 0, query = 0;  // of the batch, and of its tokens
  double score = 0, largest = 0;        // before the number is added; of the keys that are seen
};

class Scores {
 public:
  Scores(const HiddenRule& rule, std::span<const VertexOperand> operands, const UsedCells& used)
      : rule_(rule),
        q_(operands[HiddenRule::kQueries]),
        k_(operands[HiddenRule::kKeys]),
        mask_(operands[HiddenRule::kMask]),
        bias_(rule.bias ? &operands[HiddenRule::kBias] : nullptr),
        used_(used),
        by_cell_(std::ssize(used) == rule.batch * rule.keys) {}

  std::optional<HeardKey> find() {
    for (int64_t b = 0; b < q_.size[0]; ++b) {
      sort_keys(b);
      if (seen_.empty() || hidden_.empty()) continue;
      for (int64_t head = 0; head < q_.size[2]; ++head) {
        if (are_small(b, head) || all_vanish(b, head)) continue;
        if (const auto heard = heard_by_any(b, head)) return heard;
      }
    }
    return std::nullopt;
  }

 private:
  bool counts(int64_t b, int64_t token) const {
    if (!by_cell_) return true;
    return used_[static_cast<size_t>((mask_.begin[0] + b) * rule_.keys + token)];
  }
  // Queries of attention between two sequences do not lie in cells.
  bool query_counts(int64_t b, int64_t query) const {
    const int64_t token = q_.begin[1] + query;
    return token >= rule_.keys || counts(b, token);
  }

  void sort_keys(int64_t b) {
    seen_.clear();
    hidden_.clear();
    const auto* ids = static_cast<const int32_t*>(mask_.data) + b * mask_.stride[0];
    for (int64_t key = 0; key < k_.size[1]; ++key) {
      if (ids[key] != 0)
        seen_.push_back(key);
      else if (counts(b, key))
        hidden_.push_back(key);
    }
  }

  static double number(const VertexOperand& of, DType dtype, int64_t at) {
    if (dtype == DType::F32) return static_cast<const float*>(of.data)[at];
    return from_half(static_cast<const uint16_t*>(of.data)[at]);
  }
  static int64_t start(const VertexOperand& of, int64_t b, int64_t token, int64_t head) {
    return b * of.stride[0] + token * of.stride[1] + head * of.stride[2];
  }
  // NaN counts as infinite: nothing is proved of it.
  double length(const VertexOperand& of, int64_t at) const {
    double sum = 0;
    for (int64_t d = 0; d < of.size[3]; ++d) {
      const double value = number(of, rule_.dtype, at + d);
      sum += value * value;
    }
    return std::isnan(sum) ? std::numeric_limits<double>::infinity() : std::sqrt(sum);
  }
  double score(int64_t b, int64_t head, int64_t query, int64_t key) const {
    const int64_t q = start(q_, b, query, head), k = start(k_, b, key, head);
    double dot = 0;
    for (int64_t d = 0; d < q_.size[3]; ++d)
      dot += number(q_, rule_.dtype, q + d) * number(k_, rule_.dtype, k + d);
    const double scaled = dot * rule_.scale;
    if (!bias_) return scaled;
    const int64_t at = b * bias_->stride[0] + head * bias_->stride[1] + query * bias_->stride[2] +
                       key * bias_->stride[3];
    return scaled + number(*bias_, *rule_.bias, at);
  }

  // Whether no two scores of this size differ by as much as the number takes off.
  bool are_apart(double largest) const { return 2 * largest < -rule_.added - kVanishes; }

  // By the largest numbers of queries and keys, which are soon found: magnitudes are ordered as the
  // integers that their bits are.
  bool are_small(int64_t b, int64_t head) const {
    if (bias_) return false;
    const double query = largest_number(q_, b, head), key = largest_number(k_, b, head);
    return are_apart(std::abs(rule_.scale) * static_cast<double>(q_.size[3]) * query * key);
  }
  double largest_number(const VertexOperand& of, int64_t b, int64_t head) const {
    if (rule_.dtype == DType::F32)
      return std::bit_cast<float>(largest_bits<uint32_t>(of, b, head, 0x7fffffffU));
    return from_half(largest_bits<uint16_t>(of, b, head, 0x7fffU));
  }
  template <class Bits>
  static Bits largest_bits(const VertexOperand& of, int64_t b, int64_t head, Bits magnitude) {
    Bits most = 0;
    for (int64_t token = 0; token < of.size[1]; ++token) {
      const Bits* const row = static_cast<const Bits*>(of.data) + start(of, b, token, head);
      for (int64_t d = 0; d < of.size[3]; ++d)
        most = std::max<Bits>(most, static_cast<Bits>(row[d] & magnitude));
    }
    return most;
  }

  // By the lengths of queries and keys: no product is larger than that of both.
  bool all_vanish(int64_t b, int64_t head) const {
    if (bias_) return false;
    double query = 0, hidden = 0, seen = std::numeric_limits<double>::infinity();
    for (const int64_t key : hidden_)
      hidden = std::max(hidden, length(k_, start(k_, b, key, head)));
    for (const int64_t key : seen_) seen = std::min(seen, length(k_, start(k_, b, key, head)));
    for (int64_t r = 0; r < q_.size[1]; ++r)
      if (query_counts(b, r)) query = std::max(query, length(q_, start(q_, b, r, head)));
    return std::abs(rule_.scale) * query * (hidden + seen) < -rule_.added - kVanishes;
  }

  // A number beyond 65504 is infinite in f16, and what is computed with it NaN.
  bool may_be_finite() const { return rule_.dtype == DType::F16 && rule_.added > kHidesAny; }

  std::optional<HeardKey> heard_by_any(int64_t b, int64_t head) const {
    for (int64_t r = 0; r < q_.size[1]; ++r) {
      if (!query_counts(b, r)) continue;
      double largest = -std::numeric_limits<double>::infinity();
      for (const int64_t key : seen_) largest = std::max(largest, score(b, head, r, key));
      for (const int64_t key : hidden_) {
        const double is = score(b, head, r, key);
        if (std::isfinite(is) ? is + rule_.added > largest - kVanishes : may_be_finite())
          return HeardKey{mask_.begin[0] + b, key, q_.begin[1] + r, is, largest};
      }
    }
    return std::nullopt;
  }

  const HiddenRule& rule_;
  const VertexOperand &q_, &k_, &mask_;
  const VertexOperand* bias_;
  const UsedCells& used_;
  bool by_cell_;
  std::vector<int64_t> seen_, hidden_;  // of one row
};

Error heard_key(const Superstep& step, const HiddenRule& rule, const HeardKey& heard) {
  const std::string score =
      std::isfinite(heard.score)
          ? fmt::format("{:g}, and the largest that it sees is {:g}", heard.score, heard.largest)
          : "more than float16 holds";
  return Error{
      fmt::format("node '{}' (attention): key {} of row {} is hidden by {:g}, but its score for "
                  "query {} is {}; the mask must add less (-3.4e38 hides beside any score), or "
                  "compile with --skip_passes fuse_attention, which adds it as it is",
                  node_of(step), heard.key, heard.row, rule.added, heard.query, score),
      ErrorKind::Failed, kIndexOutOfRange};
}

}  // namespace

Status check_hidden_keys(const Superstep& step, const HiddenRule& rule,
                         std::span<const VertexOperand> operands, int64_t each,
                         const UsedCells& used) {
  for (auto left = operands; !left.empty(); left = left.subspan(static_cast<size_t>(each)))
    if (const auto heard = Scores(rule, left, used).find()) return heard_key(step, rule, *heard);
  return {};
}

}  // namespace tessera
