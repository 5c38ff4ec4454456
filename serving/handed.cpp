// SPDX-License-Identifier: Apache-2.0
#include "serving/handed.h"

#include <chrono>
#include <utility>

namespace tessera {

std::vector<RequestId> Handed::waiting() const {
  std::vector<RequestId> ids;
  for (const auto& [id, pending] : waiting_) ids.push_back(id);
  return ids;
}

void Handed::board(const FormedBatch& batch, std::vector<Pending>& riders) {
  riders.reserve(batch.riders.size());
  for (const FormedBatch::Rider& rider : batch.riders) {
    const auto place = waiting_.find(rider.id);
    riders.push_back(std::move(place->second));
    waiting_.erase(place);
    riding_[rider.id] = &riders.back();
  }
}

void Handed::refuse(RequestId id, Error error) {
  const auto place = waiting_.find(id);
  outbox_.put({id, std::move(place->second.done), std::move(error)});
  waiting_.erase(place);
}

void Handed::answer(const FormedBatch& batch, std::vector<Pending>& riders, const Ride& ride,
                    Expected<std::vector<Answer>> answers, Time end, OnlineMetrics& metrics) {
  for (size_t i = 0; i < riders.size(); ++i) {
    Pending& rider = riders[i];
    const RequestId id = batch.riders[i].id;
    riding_.erase(id);
    if (!rider.done) continue;  // cancelled
    const Error* refused = nullptr;
    if (!answers)
      refused = &answers.error();
    else if ((*answers)[i].refused)
      refused = &*(*answers)[i].refused;
    if (refused) {
      ++metrics.failed;
      outbox_.put({id, std::exchange(rider.done, nullptr), *refused});
      continue;
    }
    ++metrics.answered;
    metrics.not_finite += !(*answers)[i].not_finite.empty();
    if (end > rider.deadline) ++metrics.missed_answered;
    metrics.answer_seconds.add(std::chrono::duration<double>(end - rider.since).count());
    Answer& answer = (*answers)[i];
    answer.ride = ride;
    answer.ride.queue = batch.at - rider.since;
    outbox_.put({id, std::exchange(rider.done, nullptr), std::move(answer)});
  }
}

Handed::Done Handed::take_waiting(RequestId id) {
  const auto place = waiting_.find(id);
  if (place == waiting_.end()) return nullptr;
  Done done = std::move(place->second.done);
  waiting_.erase(place);
  return done;
}

Handed::Done Handed::take_riding(RequestId id) {
  const auto place = riding_.find(id);
  if (place == riding_.end()) return nullptr;
  Done done = std::exchange(place->second->done, nullptr);
  riding_.erase(place);
  return done;
}

}  // namespace tessera
