// SPDX-License-Identifier: Apache-2.0
// A batch is bins, each filled from its left end: in form B a bin is a row, in form A all rows are
// one, and a request that meets the end of a row goes on in the next. Delimiters stand before every
// request of a row but the first: as if each request were longer by them, in rows that are longer
// by them.
#include "packing/batch_packer.h"

#include <algorithm>

#include "support/check.h"

namespace tessera {

BatchPacker::BatchPacker(const PackingContract& contract, const PackRule& rule)
    : rule_(rule),
      longest_(longest_request(contract)),
      most_requests_(most_requests(contract)),
      row_tokens_(row_tokens(contract)),
      row_length_(contract.row_length),
      delimiters_(contract.form == PackingForm::A ? 0 : contract.zero_delimiters),
      bin_capacity_(contract.form == PackingForm::A ? row_tokens_ : row_length_ + delimiters_),
      one_a_row_(contract.form == PackingForm::None),
      bins_(contract.form == PackingForm::A ? 1 : contract.rows, bin_capacity_, rule.policy) {
  CHECK(check_rule(rule).ok());
}

void BatchPacker::clear() {
  batch_ = {};
  bins_.clear();
}

bool BatchPacker::full_of_requests() const {
  return static_cast<int64_t>(batch_.placements.size()) >= most_requests_;
}

int64_t BatchPacker::free_tokens() const { return row_tokens_ - batch_.tokens; }

bool BatchPacker::try_add(size_t request, int64_t length) {
  CHECK(length >= 1 && length <= longest_);
  if (full_of_requests()) return false;
  const int64_t need = one_a_row_ ? bin_capacity_ : length + delimiters_;
  const int64_t bin = bins_.find(need);
  if (bin < 0) return false;
  const int64_t start = bin * row_length_ + bin_capacity_ - bins_.room(bin);
  batch_.placements.push_back({request, start, length});
  batch_.tokens += length;
  bins_.take(bin, need);
  return true;
}

bool BatchPacker::fill(std::span<const Candidate> waiting) {
  return rule_.policy == PackPolicy::Window ? fill_window(waiting) : fill_in_order(waiting);
}

bool BatchPacker::fill_in_order(std::span<const Candidate> waiting) {
  for (const Candidate& candidate : waiting)
    if (!try_add(candidate.request, candidate.length)) return false;
  return true;
}

// A request that is passed over stays so in this batch, as room only shrinks; so every candidate is
// tried once, and a batch costs window + placed searches.
bool BatchPacker::fill_window(std::span<const Candidate> waiting) {
  const auto window = static_cast<size_t>(rule_.window);
  const size_t pinned = std::min(static_cast<size_t>(pinned_offline(rule_)), waiting.size());
  size_t passed_over = 0;
  for (const Candidate& candidate : waiting.first(pinned))
    if (!try_add(candidate.request, candidate.length)) ++passed_over;
  size_t seen = pinned;
  size_t chunk = window - pinned;
  while (seen < waiting.size() && !full_of_requests() && passed_over < window) {
    const std::span<const Candidate> next =
        waiting.subspan(seen, std::min(chunk, waiting.size() - seen));
    longest_first_.clear();
    for (size_t i = 0; i < next.size(); ++i)
      longest_first_.push_back(static_cast<uint64_t>(longest_ - next[i].length) << 32 | i);
    std::sort(longest_first_.begin(), longest_first_.end());
    for (const uint64_t key : longest_first_) {
      const Candidate& candidate = next[key & UINT32_MAX];
      if (!try_add(candidate.request, candidate.length)) ++passed_over;
    }
    seen += next.size();
    chunk = window - std::min(window, passed_over);
  }
  return seen == waiting.size() && passed_over == 0;
}

}  // namespace tessera
