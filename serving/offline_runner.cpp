// SPDX-License-Identifier: Apache-2.0
#include "serving/offline_runner.h"

#include <string>

#include "packing/offline.h"
#include "serving/batch_runner.h"

namespace tessera {

namespace {

// "request: …" becomes "request 3: …".
Error numbered(Error error, size_t request) {
  error.message.insert(error.message.find(':'), " " + std::to_string(request));
  return error;
}

}  // namespace

Expected<OfflineResult> run_offline(ModelRunner& runner, const PackRule& rule,
                                    std::span<const Request> requests) {
  const std::unique_ptr<BatchRunner> batch_runner = TRY(BatchRunner::create(runner));
  std::vector<int64_t> lengths;
  std::vector<const Request*> pointers;
  for (const Request& request : requests) {
    Expected<int64_t> length = batch_runner->check(request);
    if (!length) return numbered(length.error(), lengths.size());
    lengths.push_back(*length);
    pointers.push_back(&request);
  }
  OfflineResult result;
  result.answers.resize(requests.size());
  for (const PackedBatch& batch : TRY(pack_offline(batch_runner->contract(), rule, lengths))) {
    std::vector<Answer> answers = TRY(batch_runner->run(batch, pointers, result.batches++));
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i].refused) return numbered(*answers[i].refused, batch.placements[i].request);
      result.answers[batch.placements[i].request] = std::move(answers[i]);
    }
  }
  return result;
}

}  // namespace tessera
