// SPDX-License-Identifier: Apache-2.0
#include "serving/offline_runner.h"

#include <chrono>
#include <string>

#include "packing/offline.h"
#include "packing/pack.h"
#include "serving/batch_runner.h"

namespace tessera {

namespace {

// "request: …" becomes "request 3: …".
Error numbered(Error error, std::span<const Request> requests, size_t number) {
  const std::string& name = requests[number].name;
  error.message.insert(error.message.find(':'),
                       " " + (name.empty() ? std::to_string(number) : name));
  return error;
}

}  // namespace

Expected<OfflineResult> run_offline(ModelRunner& runner, const PackRule& rule,
                                    std::span<const Request> requests,
                                    const RequestOptions& options,
                                    const OfflineProgress& progress) {
  const std::unique_ptr<BatchRunner> batch_runner = TRY(BatchRunner::create(runner, options));
  std::vector<int64_t> lengths;
  std::vector<const Request*> pointers;
  for (const Request& request : requests) {
    Expected<int64_t> length = batch_runner->check(request);
    if (!length) return numbered(length.error(), requests, lengths.size());
    lengths.push_back(*length);
    pointers.push_back(&request);
  }
  OfflineResult result;
  result.answers.resize(requests.size());
  const std::vector<PackedBatch> batches =
      TRY(pack_offline(batch_runner->contract(), rule, lengths));
  for (const PackedBatch& batch : batches) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<Answer> answers = TRY(batch_runner->run(batch, pointers, result.batches++));
    result.batch_seconds.push_back(
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    if (progress) progress(result.batches, batches.size());
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].refused)
        return numbered(*answers[i].refused, requests, batch.placements[i].request);
      result.answers[batch.placements[i].request] = std::move(answers[i]);
    }
  }
  return result;
}

}  // namespace tessera
