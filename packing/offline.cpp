// SPDX-License-Identifier: Apache-2.0
#include "packing/offline.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "packing/batch_packer.h"
#include "support/check.h"

namespace tessera {

namespace {

// Requests that a batch left waiting move up behind those that no batch has seen; the new head of
// the queue.
size_t drop_placed(std::vector<Candidate>& queue, size_t head, std::vector<bool>& placed,
                   const PackedBatch& batch) {
  for (const Placement& place : batch.placements) placed[place.request] = true;
  size_t seen = head;
  for (size_t left = batch.placements.size(); left > 0; ++seen)
    if (placed[queue[seen].request]) --left;
  size_t new_head = seen;
  for (size_t i = seen; i > head; --i)
    if (!placed[queue[i - 1].request]) queue[--new_head] = queue[i - 1];
  return new_head;
}

std::vector<PackedBatch> pack_stream(const PackingContract& contract, const PackRule& rule,
                                     std::span<const int64_t> lengths) {
  std::vector<Candidate> queue;
  queue.reserve(lengths.size());
  for (size_t i = 0; i < lengths.size(); ++i) queue.push_back({i, lengths[i]});
  std::vector<PackedBatch> batches;
  std::vector<bool> placed(lengths.size());
  BatchPacker packer(contract, rule);
  for (size_t head = 0; head < queue.size();) {
    packer.fill(std::span(queue).subspan(head));
    CHECK(!packer.batch().placements.empty());
    head = drop_placed(queue, head, placed, packer.batch());
    batches.push_back(packer.batch());
    packer.clear();
  }
  return batches;
}

// The requests of a row, in the order of placing.
using Row = std::vector<size_t>;

std::vector<Row> assign_requests(std::span<const BinGroup> groups,
                                 std::span<const int64_t> lengths) {
  std::vector<std::vector<size_t>> of_length;
  for (size_t i = 0; i < lengths.size(); ++i) {
    const auto length = static_cast<size_t>(lengths[i]);
    if (of_length.size() <= length) of_length.resize(length + 1);
    of_length[length].push_back(i);
  }
  std::vector<size_t> taken(of_length.size());
  std::vector<Row> rows;
  for (const BinGroup& group : groups) {
    for (int64_t n = 0; n < group.count; ++n) {
      Row& row = rows.emplace_back();
      for (const int64_t length : group.lengths) {
        const auto at = static_cast<size_t>(length);
        row.push_back(of_length[at][taken[at]++]);
      }
    }
  }
  return rows;
}

void sort_by_earliest(std::vector<Row>& rows) {
  std::vector<std::pair<size_t, size_t>> order;  // earliest request, row
  for (size_t i = 0; i < rows.size(); ++i)
    order.emplace_back(*std::min_element(rows[i].begin(), rows[i].end()), i);
  std::sort(order.begin(), order.end());
  std::vector<Row> sorted;
  for (const auto& [earliest, i] : order) sorted.push_back(std::move(rows[i]));
  rows = std::move(sorted);
}

// Rows that wait for a batch, in their order; a row of few requests may overtake one of many.
class RowQueue {
 public:
  RowQueue(std::span<const Row> rows, std::span<const int64_t> lengths) : left_(rows.size()) {
    for (size_t i = 0; i < rows.size(); ++i) {
      by_requests_[std::ssize(rows[i])].rows.push_back(i);
      int64_t& tokens = tokens_.emplace_back(0);
      for (const size_t request : rows[i]) tokens += lengths[request];
    }
  }
  bool empty() const { return left_ == 0; }
  int64_t tokens(size_t row) const { return tokens_[row]; }

  // Takes the earliest row that has at most `most_requests` requests and `most_tokens` tokens; of
  // rows with one number of requests only the first is looked at.
  std::optional<size_t> take(int64_t most_requests, int64_t most_tokens) {
    Waiting* best = nullptr;
    for (auto& [requests, waiting] : by_requests_) {
      if (requests > most_requests) break;
      if (waiting.done() || tokens_[waiting.first()] > most_tokens) continue;
      if (!best || waiting.first() < best->first()) best = &waiting;
    }
    if (!best) return {};
    --left_;
    return best->rows[best->taken++];
  }

 private:
  struct Waiting {
    std::vector<size_t> rows;
    size_t taken = 0;
    bool done() const { return taken == rows.size(); }
    size_t first() const { return rows[taken]; }
  };
  std::map<int64_t, Waiting> by_requests_;
  std::vector<int64_t> tokens_;
  size_t left_;
};

// Rows into batches. Each row that is still to come in a batch is left room for one request, so
// that a request limit does not end a batch with rows unused where single requests could fill them.
std::vector<PackedBatch> batch_rows(const PackingContract& contract, std::span<const Row> rows,
                                    std::span<const int64_t> lengths) {
  const bool end_to_end = contract.form == PackingForm::A;
  RowQueue queue(rows, lengths);
  std::vector<PackedBatch> batches;
  while (!queue.empty()) {
    PackedBatch& batch = batches.emplace_back();
    for (int64_t used = 0; end_to_end || used < contract.rows; ++used) {
      const int64_t requests = most_requests(contract) - std::ssize(batch.placements);
      const int64_t tokens = row_tokens(contract) - batch.tokens;
      const int64_t reserved = used == 0 || end_to_end ? 0 : contract.rows - used - 1;
      std::optional<size_t> row = queue.take(requests - reserved, tokens);
      if (!row) row = queue.take(requests, tokens);
      if (!row) break;
      int64_t start = end_to_end ? batch.tokens : used * contract.row_length;
      for (const size_t request : rows[*row]) {
        batch.placements.push_back({request, start, lengths[request]});
        start += lengths[request] + (end_to_end ? 0 : contract.zero_delimiters);
      }
      batch.tokens += queue.tokens(*row);
    }
    CHECK(!batch.placements.empty());
  }
  return batches;
}

}  // namespace

std::vector<BinGroup> pack_rows(const PackingContract& contract, const PackRule& rule,
                                const LengthHistogram& histogram) {
  CHECK(histogram.longest() <= longest_request(contract));
  const bool end_to_end = contract.form == PackingForm::A;
  const int64_t delimiters = end_to_end ? 0 : contract.zero_delimiters;
  const int64_t length = std::max(contract.row_length, histogram.longest());
  const int64_t most = contract.form == PackingForm::None ? 1 : most_requests(contract);
  // Delimiters: as if every request were longer by them, in rows that are longer by them.
  LengthHistogram needs = histogram;
  if (!needs.counts.empty())
    needs.counts.insert(needs.counts.begin(), static_cast<size_t>(delimiters), 0);
  std::vector<BinGroup> groups = pack_histogram(
      needs, length + delimiters, rule.depth > 0 ? std::min(rule.depth, most) : most, rule.policy);
  for (BinGroup& group : groups)
    for (int64_t& need : group.lengths) need -= delimiters;
  return groups;
}

Expected<std::vector<PackedBatch>> pack_offline(const PackingContract& contract,
                                                const PackRule& rule,
                                                std::span<const int64_t> lengths) {
  TRY(check_rule(rule));
  TRY(check_contract(contract));
  const int64_t longest = longest_request(contract);
  for (size_t i = 0; i < lengths.size(); ++i)
    if (lengths[i] < 1 || lengths[i] > longest)
      return Error{"request " + std::to_string(i) + ": length is " + std::to_string(lengths[i]) +
                   ", must be in 1.." + std::to_string(longest)};
  if (packs_a_stream(rule.policy)) return pack_stream(contract, rule, lengths);
  std::vector<Row> rows =
      assign_requests(pack_rows(contract, rule, histogram_of(lengths)), lengths);
  sort_by_earliest(rows);
  return batch_rows(contract, rows, lengths);
}

}  // namespace tessera
