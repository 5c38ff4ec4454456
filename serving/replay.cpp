// SPDX-License-Identifier: Apache-2.0
#include "serving/replay.h"

#include <algorithm>
#include <string>

namespace tessera {
namespace {

std::string id_or_refused(const std::optional<RequestId>& id) {
  return id ? "taken as request " + std::to_string(*id) : "refused";
}

Status submit_again(BatchFormer& former, const FormerEvent& event, int64_t longest) {
  if (event.arrival.length < 1 || event.arrival.length > longest) {
    return Error{"its length is " + std::to_string(event.arrival.length) + ", must be in 1.." +
                 std::to_string(longest)};
  }
  const Expected<RequestId> id = former.submit(event.arrival, event.now);
  const std::optional<RequestId> got = id ? std::optional(*id) : std::nullopt;
  if (got == event.id) return {};
  return Error{"the request is " + id_or_refused(got) + ", must be " + id_or_refused(event.id) +
               " as recorded"};
}

Status apply(BatchFormer& former, const FormerEvent& event, int64_t longest,
             std::vector<FormedBatch>& batches) {
  using Kind = FormerEvent::Kind;
  switch (event.kind) {
    case Kind::Submit: return submit_again(former, event, longest);
    case Kind::Cancel:
      if (event.id && former.cancel(*event.id, event.now)) return {};
      return Error{"nothing is cancelled, must be a request that waits"};
    case Kind::Flush: former.flush(event.now); return {};
    case Kind::Drain: former.drain(event.now); return {};
    case Kind::Close: former.close(event.now); return {};
    case Kind::Done:
      if (former.in_flight() == 0) return Error{"a batch is done, must have been closed before"};
      former.done(event.now);
      return {};
    case Kind::BatchTime: former.set_batch_time(event.batch_time, event.now); return {};
    case Kind::Poll: break;
  }
  BatchFormer::Poll poll = former.poll(event.now);
  if (poll.batch) batches.push_back(std::move(*poll.batch));
  return {};
}

bool same(const RecordedBatch& a, const RecordedBatch& b) {
  return a.reason == b.reason && a.requests == b.requests && a.starts == b.starts;
}

}  // namespace

Expected<std::vector<FormedBatch>> replay(const PackingContract& contract,
                                          const FormerConfig& config,
                                          std::span<const FormerEvent> events,
                                          const FormerRecorder& record, const Limits& limits) {
  const Deadline deadline(limits);
  BatchFormer former = TRY(BatchFormer::create(contract, config));
  if (record) former.record(record);
  std::vector<FormedBatch> batches;
  Time last{0};
  for (size_t i = 0; i < events.size(); ++i) {
    const auto at = [&](const std::string& what) {
      return Error{"event " + std::to_string(i) + ": " + what};
    };
    TRY(deadline.check("replay", static_cast<int64_t>(i), std::ssize(events)));
    if (events[i].now < last) return at("its time is before the last one's, must not go back");
    last = events[i].now;
    const Status status = apply(former, events[i], longest_request(contract), batches);
    if (!status) return at(status.error().message);
  }
  return batches;
}

Expected<std::vector<FormedBatch>> replay_as_recorded(const RecordedRun& run,
                                                      const FormerRecorder& record) {
  std::vector<FormedBatch> batches =
      TRY(replay(run.contract, run.config, run.events, record, run.limits));
  const size_t count = std::max(batches.size(), run.batches.size());
  for (size_t i = 0; i < count; ++i) {
    if (i < batches.size() && i < run.batches.size() && same(recorded(batches[i]), run.batches[i]))
      continue;
    return Error{"batch " + std::to_string(i) + " is another, must be as recorded"};
  }
  return batches;
}

}  // namespace tessera
