// SPDX-License-Identifier: Apache-2.0
#include "serving/offline_runner.h"

#include <string>

#include "packing/offline.h"
#include "serving/batch_runner.h"

namespace tessera {

Expected<OfflineResult> run_offline(ModelRunner& runner, const PackRule& rule,
                                    std::span<const Request> requests) {
  const std::unique_ptr<BatchRunner> batch_runner = TRY(BatchRunner::create(runner));
  std::vector<int64_t> lengths;
  std::vector<const Request*> pointers;
  for (const Request& request : requests) {
    Expected<int64_t> length = batch_runner->check(request);
    if (!length) {
      // "request: …" becomes "request 3: …".
      std::string& message = length.error().message;
      message.insert(message.find(':'), " " + std::to_string(lengths.size()));
      return length.error();
    }
    lengths.push_back(*length);
    pointers.push_back(&request);
  }
  OfflineResult result;
  result.answers.resize(requests.size());
  for (const PackedBatch& batch : TRY(pack_offline(batch_runner->contract(), rule, lengths))) {
    std::vector<Answer> answers = TRY(batch_runner->run(batch, pointers, result.batches++));
    for (size_t i = 0; i < answers.size(); ++i) {
      result.answers[batch.placements[i].request] = std::move(answers[i]);
    }
  }
  return result;
}

}  // namespace tessera
