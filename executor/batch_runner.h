// SPDX-License-Identifier: Apache-2.0
// A packed batch through a model: the tensors that packing makes, one run, and for each request its
// slice of the outputs. What the online and the offline runner share.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "executor/packing/pack.h"
#include "executor/request.h"
#include "support/expected.h"

namespace tessera {

// The contract of an executable, with what its compiler left open taken from the usual names
// (input_ids, attention_mask, position_ids). An error where it cannot take requests.
Expected<PackingContract> request_contract(const Metadata& metadata);

// Thread-safe, as its runner is. The runner must outlive it.
class BatchRunner {
 public:
  static Expected<std::unique_ptr<BatchRunner>> create(ModelRunner& runner);

  const PackingContract& contract() const { return contract_; }
  // The request's length, or what is wrong with it: "request: what is, what must be".
  Expected<int64_t> check(const Request& request) const;
  // Checked requests, as the batch's placements number them. Answers in the order of placements.
  Expected<std::vector<Answer>> run(const PackedBatch& batch,
                                    std::span<const Request* const> requests, uint64_t number);

 private:
  struct OutputPlan {
    const Anchor* anchor = nullptr;
    PackingContract::OutputRule rule;
    int64_t item_bytes = 0;  // of a token, or of a request
  };
  BatchRunner(ModelRunner& runner, PackingContract contract);
  Status check_inputs() const;
  Status plan_outputs();
  Status check_tokens(const std::string& name, const std::vector<int32_t>& tokens,
                      size_t length) const;
  std::vector<int32_t> batch_input(const std::string& name, const PackedBatch& batch,
                                   std::span<const Request* const> requests) const;
  OutputSlice slice(const OutputPlan& plan, const PackedBatch& batch, size_t ordinal) const;

  ModelRunner& runner_;
  PackingContract contract_;
  std::vector<const Anchor*> inputs_;
  std::vector<OutputPlan> outputs_;
};

}  // namespace tessera
