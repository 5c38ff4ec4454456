// SPDX-License-Identifier: Apache-2.0
// Packing is tried, not computed step by step: as long as a batch is open nothing is placed, so a
// late request of high priority, a cancel and a deadline need no undoing. It is cheap because the
// former knows when trying cannot close a batch (may_overflow, pack_again_at_).
#include "serving/batch_former.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "serving/rejection.h"
#include "serving/request.h"
#include "support/check.h"

namespace tessera {
namespace {

constexpr int kMostInFlight = 2;
constexpr Time kLongest = std::chrono::hours(24 * 365);

double in_seconds(Time time) { return std::chrono::duration<double>(time).count(); }

std::string in_milliseconds(Time time) { return fmt::format("{:.3f} ms", 1e3 * in_seconds(time)); }

// How many requests fit one batch, whatever their lengths.
int64_t always_fit(const PackingContract& contract) {
  int64_t most = contract.rows;
  if (contract.form == PackingForm::A)
    most = contract.rows * contract.row_length / longest_request(contract);
  return std::min(most, most_requests(contract));
}

// If a request fits none of the rows, then no two rows have room for each other's first request; so
// of all rows and that request, paired, each pair has more tokens than a row. Up to half of that
// nothing can be left out.
int64_t tokens_without_overflow(const PackingContract& contract) {
  if (contract.form == PackingForm::A) return contract.rows * contract.row_length;
  return (contract.rows + 1) / 2 * (contract.row_length - contract.zero_delimiters);
}

// The former places the pinned ones itself, by age; the rule's are by rank, and at least one.
PackRule rule_without_pins(PackRule rule) {
  rule.pinned = 1;
  return rule;
}

// The same rows, for at most this number of requests.
PackingContract limited(PackingContract contract, int64_t most) {
  (contract.form == PackingForm::None ? contract.rows : contract.max_valid_num) = most;
  return contract;
}

Error refused(std::string message, std::string_view type) {
  return {"request: " + std::move(message), ErrorKind::Refused, type};
}

}  // namespace

Expected<BatchFormer> BatchFormer::create(const PackingContract& contract,
                                          const FormerConfig& config) {
  TRY(check_contract(contract));
  TRY(check_rule(rule_without_pins(config.rule)));
  const auto must_be = [](const std::string& what, int64_t value, const std::string& range) {
    return Error{"pack runner: " + what + " is " + std::to_string(value) + ", must be " + range,
                 ErrorKind::Usage};
  };
  if (!packs_a_stream(config.rule.policy)) {
    return Error{"pack runner: policy " + std::string(to_string(config.rule.policy)) +
                     " must know all requests, must be one that packs them as they come",
                 ErrorKind::Usage};
  }
  const int64_t most = most_requests(contract), longest = longest_request(contract);
  if (config.max_valid_num < 0 || config.max_valid_num > most)
    return must_be("max_valid_num", config.max_valid_num, "in 0.." + std::to_string(most));
  for (const Time time : {config.timeout, config.margin, config.lead, config.batch_time})
    if (time < Time(0) || time > kLongest)
      return Error{"pack runner: timeout, margin, lead and batch time must be in 0 .. 365 days",
                   ErrorKind::Usage};
  if (config.rule.pinned < 0) return must_be("pinned", config.rule.pinned, ">= 0");
  if (config.max_queue < 1) return must_be("max_queue", config.max_queue, ">= 1");
  if (config.max_queue_tokens != 0 && config.max_queue_tokens < longest)
    return must_be("max_queue_tokens", config.max_queue_tokens,
                   "0 or >= " + std::to_string(longest) + ", the longest request");
  return BatchFormer(contract, config);
}

BatchFormer::BatchFormer(const PackingContract& contract, const FormerConfig& config)
    : config_(config),
      longest_(longest_request(contract)),
      most_requests_(config.max_valid_num > 0 ? config.max_valid_num : most_requests(contract)),
      pinned_(std::min({pinned_online(config.rule), always_fit(contract), most_requests_})),
      row_tokens_(contract.rows * contract.row_length),
      delimiters_(contract.form == PackingForm::B ? contract.zero_delimiters : 0),
      no_overflow_tokens_(tokens_without_overflow(contract)),
      packer_(limited(contract, most_requests_), rule_without_pins(config.rule)) {}

void BatchFormer::count_queue() {
  OnlineMetrics& m = metrics_;
  m.queue_requests = static_cast<int64_t>(queue_.size());
  m.queue_tokens = queue_.tokens();
  m.most_queue_requests = std::max(m.most_queue_requests, m.queue_requests);
  m.most_queue_tokens = std::max(m.most_queue_tokens, m.queue_tokens);
}

void BatchFormer::tell(const FormerEvent& event) const {
  if (recorder_) recorder_(event);
}

bool BatchFormer::has_room(int64_t length) const {
  if (static_cast<int64_t>(queue_.size()) >= config_.max_queue) return false;
  return config_.max_queue_tokens == 0 || queue_.tokens() + length <= config_.max_queue_tokens;
}

// A batch ends batch_time after its start, so `batches` of them end by the deadline. Requests
// that were admitted with a deadline no later have a claim on these before this request has.
Status BatchFormer::check_deadline(const Arrival& arrival, Time now) const {
  if (arrival.deadline == kNever) return {};
  if (config_.batch_time == Time(0)) {
    return refused("has a deadline, must have none where the time of a batch is not known",
                   rejection::kDeadline);
  }
  const Time slack = arrival.deadline - start_of_next(now) - config_.margin;
  const int64_t batches = slack < Time(0) ? 0 : slack / config_.batch_time;
  if (batches < 1) {
    const Time earliest = start_of_next(now) + config_.batch_time + config_.margin - now;
    return refused("deadline is in " + in_milliseconds(arrival.deadline - now) +
                       ", must be in at least " + in_milliseconds(earliest) +
                       ", when the next batch will have ended",
                   rejection::kDeadline);
  }
  const auto waiting = static_cast<int64_t>(queue_.size());
  if (batches > waiting) return {};  // one a batch at least
  if (queue_.due_exceed(arrival.deadline, batches * most_requests_ - 1,
                        batches * row_tokens_ - arrival.length)) {
    return refused("deadline is in " + in_milliseconds(arrival.deadline - now) +
                       ", must be later: the requests before it fill the " +
                       std::to_string(batches) + " batches until then",
                   rejection::kDeadline);
  }
  return {};
}

Expected<RequestId> BatchFormer::submit(const Arrival& arrival, Time now) {
  CHECK(arrival.length >= 1 && arrival.length <= longest_);
  Status status;
  if (closed_) {
    status = Error{"pack runner: is closed, must be open to take requests", ErrorKind::Refused,
                   rejection::kClosed};
  } else if (!has_room(arrival.length)) {
    status = refused("queue holds " + std::to_string(queue_.size()) + " requests of " +
                         std::to_string(queue_.tokens()) + " tokens, must have room",
                     rejection::kQueueFull);
  } else {
    status = check_deadline(arrival, now);
  }
  std::optional<RequestId> id;
  if (status) {
    id = next_id_++;
    queue_.push({*id, arrival, now, static_cast<int64_t>(queue_.size()), formed_});
    ++metrics_.admitted;
    count_queue();
  } else {
    ++metrics_.rejected[std::string(status.error().type)];
  }
  tell({.kind = FormerEvent::Kind::Submit, .now = now, .arrival = arrival, .id = id});
  if (!status) return std::move(status.error());
  return *id;
}

bool BatchFormer::cancel(RequestId id, Time now) {
  if (!queue_.erase(id)) return false;
  count_queue();
  ++metrics_.cancelled;
  tell({.kind = FormerEvent::Kind::Cancel, .now = now, .id = id});
  return true;
}

void BatchFormer::flush(Time now) {
  flush_below_ = next_id_;
  tell({.kind = FormerEvent::Kind::Flush, .now = now});
}

void BatchFormer::drain(Time now) {
  drain_below_ = next_id_;
  tell({.kind = FormerEvent::Kind::Drain, .now = now});
}

void BatchFormer::close(Time now) {
  closed_ = true;
  drain_below_ = next_id_;
  tell({.kind = FormerEvent::Kind::Close, .now = now});
}

void BatchFormer::done(Time now) {
  CHECK(in_flight_ > 0);
  free_at_ = --in_flight_ > 0 ? now + config_.batch_time : now;
  tell({.kind = FormerEvent::Kind::Done, .now = now});
}

void BatchFormer::set_batch_time(Time batch_time, Time now) {
  config_.batch_time = batch_time;
  tell({.kind = FormerEvent::Kind::BatchTime, .now = now, .batch_time = batch_time});
}

bool BatchFormer::may_overflow() const {
  const auto waiting = static_cast<int64_t>(queue_.size());
  return waiting >= most_requests_ || queue_.tokens() + waiting * delimiters_ > no_overflow_tokens_;
}

bool BatchFormer::machine_is_near(Time now) const {
  if (in_flight_ == 0) return true;
  return config_.batch_time > Time(0) && now >= free_at_ - config_.lead;
}

// Into packer_, in the order of service.
void BatchFormer::pack_waiting(Time now) {
  const bool window = config_.rule.policy == PackPolicy::Window;
  const auto pinned = static_cast<size_t>(pinned_);
  const size_t enough = window ? 2 * static_cast<size_t>(config_.rule.window) : pinned;
  queue_.in_order(pinned, std::max(enough, pinned), 2 * row_tokens_, candidates_);
  packer_.clear();
  const auto add = [&](size_t i) { return packer_.try_add(i, candidates_[i]->arrival.length); };
  size_t i = 0;
  while (i < candidates_.size() && (i < pinned || !window)) {
    if (!add(i)) return;
    ++i;
  }
  // A request that is passed over now would end with the batch after the next.
  const Time too_late = start_of_next(now) + 2 * config_.batch_time;
  while (i < candidates_.size()) {
    const int32_t priority = candidates_[i]->arrival.priority;
    const auto same = [&] {
      return i < candidates_.size() && candidates_[i]->arrival.priority == priority;
    };
    for (; same() && candidates_[i]->arrival.deadline < too_late; ++i) add(i);
    lengths_.clear();
    for (; same(); ++i) lengths_.push_back({i, candidates_[i]->arrival.length});
    packer_.fill(lengths_);
  }
}

std::optional<CloseReason> BatchFormer::reason_when_full(bool near) {
  const size_t placed = packer_.batch().placements.size();
  if (static_cast<int64_t>(placed) >= most_requests_) return CloseReason::Segments;
  if (packer_.free_tokens() == 0) return CloseReason::Tokens;
  const size_t left = queue_.size() - placed;
  if (left == 0) return {};
  if (near || config_.rule.policy != PackPolicy::Window) return CloseReason::Tokens;
  const auto window = static_cast<size_t>(config_.rule.window);
  if (left >= window) return CloseReason::Tokens;
  pack_again_at_ = queue_.size() + window - left;
  return {};
}

// The reason to close a batch now, of what packer_ then holds.
std::optional<CloseReason> BatchFormer::reason_to_close(Time now) {
  const bool near = machine_is_near(now);
  if (may_overflow() && (near || queue_.size() >= pack_again_at_)) {
    pack_waiting(now);
    if (const auto reason = reason_when_full(near)) return reason;
  }
  if (!near) return {};
  const Waiting& oldest = queue_.oldest();
  std::optional<CloseReason> reason;
  if (oldest.id < drain_below_) {
    reason = CloseReason::Drain;
  } else if (oldest.id < flush_below_) {
    reason = CloseReason::Flush;
  } else if (queue_.earliest_deadline() != kNever &&
             now >= queue_.earliest_deadline() - config_.batch_time - config_.margin) {
    reason = CloseReason::Deadline;
  } else if (now - oldest.since >= config_.timeout) {
    reason = CloseReason::Timeout;
  }
  if (reason) pack_waiting(now);
  return reason;
}

FormedBatch BatchFormer::take_batch(CloseReason reason, Time now) {
  FormedBatch batch;
  batch.number = formed_++;
  batch.at = now;
  batch.reason = reason;
  batch.packed = packer_.batch();
  for (size_t i = 0; i < batch.packed.placements.size(); ++i) {
    Placement& place = batch.packed.placements[i];
    const Waiting& waiting = *candidates_[place.request];
    FormedBatch::Rider rider{waiting.id, waiting.arrival, waiting.since,
                             formed_ - waiting.formed_before, waiting.others / pinned_ + 1};
    CHECK(rider.batches_waited <= rider.bound);
    metrics_.most_batches_waited = std::max(metrics_.most_batches_waited, rider.batches_waited);
    metrics_.queue_seconds.add(in_seconds(now - rider.since));
    place.request = i;
    batch.riders.push_back(rider);
    queue_.erase(rider.id);
  }
  batch.left = queue_.size();
  count_queue();
  free_at_ = start_of_next(now) + config_.batch_time;
  ++in_flight_;
  pack_again_at_ = 0;
  ++metrics_.of(reason);
  metrics_.tokens += static_cast<uint64_t>(batch.packed.tokens);
  metrics_.pad_tokens += static_cast<uint64_t>(row_tokens_ - batch.packed.tokens);
  metrics_.requests += batch.riders.size();
  metrics_.request_slots += static_cast<uint64_t>(most_requests_);
  metrics_.token_occupancy.add(static_cast<double>(batch.packed.tokens) /
                               static_cast<double>(row_tokens_));
  metrics_.segment_occupancy.add(static_cast<double>(batch.riders.size()) /
                                 static_cast<double>(most_requests_));
  return batch;
}

void BatchFormer::take_missed(Time now, std::vector<RequestId>& missed) {
  if (queue_.earliest_deadline() == kNever) return;
  const Time earliest = start_of_next(now) + config_.batch_time;
  while (queue_.earliest_deadline() < earliest) {
    missed.push_back(queue_.most_pressing().id);
    queue_.erase(missed.back());
    ++metrics_.missed_waiting;
  }
  count_queue();
}

BatchFormer::Poll BatchFormer::poll(Time now) {
  Poll out;
  const size_t pack_again_at = pack_again_at_;
  take_missed(now, out.missed);
  if (!queue_.empty() && in_flight_ < kMostInFlight)
    if (const auto reason = reason_to_close(now)) out.batch = take_batch(*reason, now);
  if (out.batch || !out.missed.empty() || pack_again_at != pack_again_at_) {
    tell({.kind = FormerEvent::Kind::Poll,
          .now = now,
          .batch = out.batch ? &*out.batch : nullptr,
          .missed = &out.missed});
  }
  return out;
}

Time BatchFormer::next_wake(Time now) const {
  if (queue_.empty()) return kNever;
  const Time deadline = queue_.earliest_deadline();
  Time wake = kNever;
  if (deadline != kNever) wake = deadline - config_.batch_time + Time(1);
  if (in_flight_ >= kMostInFlight) return wake;
  Time close = queue_.oldest().since + config_.timeout;
  if (deadline != kNever) close = std::min(close, deadline - config_.batch_time - config_.margin);
  if (queue_.oldest().id < std::max(flush_below_, drain_below_)) close = now;
  if (in_flight_ == 0) return std::min(wake, close);
  if (config_.batch_time == Time(0)) return wake;
  // One runs: when it is about to end, what is left out or overdue closes the next.
  const Time near = free_at_ - config_.lead;
  if (near > now && may_overflow()) return std::min(wake, near);
  return std::min(wake, std::max(near, close));
}

bool BatchFormer::worth_polling() const {
  if (queue_.size() == 1 || queue_.earliest_deadline() != kNever) return true;
  return in_flight_ < kMostInFlight && may_overflow();
}

}  // namespace tessera
