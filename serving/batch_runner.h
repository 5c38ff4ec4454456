// SPDX-License-Identifier: Apache-2.0
// A packed batch through a model: the tensors that packing makes, one run, and for each request its
// slice of the outputs. The online and the offline runner share it.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/model_runner.h"
#include "packing/pack.h"
#include "serving/batch_executor.h"
#include "serving/kept_tokens.h"
#include "serving/request.h"
#include "serving/request_contract.h"
#include "support/expected.h"

namespace tessera {

// Thread-safe, as its runner is. The runner must outlive it.
class BatchRunner final : public BatchExecutor {
 public:
  static Expected<std::unique_ptr<BatchRunner>> create(ModelRunner& runner,
                                                       const RequestOptions& options = {});

  const PackingContract& contract() const override { return contract_; }
  double modelled_seconds() const override;
  Expected<int64_t> check(const Request& request) const override;
  std::unique_ptr<RunningBatch> start(const PackedBatch& batch,
                                      std::span<const Request* const> requests,
                                      uint64_t number) override;
  // start and finish.
  Expected<std::vector<Answer>> run(const PackedBatch& batch,
                                    std::span<const Request* const> requests, uint64_t number);

 private:
  struct SlicedOutput {
    const Anchor* anchor = nullptr;
    PackingContract::OutputRule rule;
    int64_t item_bytes = 0;  // of a token, or of a request
  };
  class Running;
  BatchRunner(ModelRunner& runner, PackingContract contract, bool strip_padding);
  Status check_rows() const;
  Status check_inputs() const;
  Status find_outputs();
  bool is_positions(const std::string& name) const;
  bool strips(const Request& request) const { return strip_padding_ || request.is_padded; }
  const std::string& mask_of(const Request& request) const;
  Expected<KeptTokens> kept_by(const Request& request) const;
  size_t first_token(const Request& request) const;
  int32_t there() const { return contract_.mask_hides ? 0 : 1; }  // what a mask says of a token
  int64_t numbers_of_token(const std::string& name) const;
  Status check_shape(const std::string& name, const Shape& shape) const;
  Status check_name(const Request& request, const std::string& name) const;
  Status check_exact(const Request& request, KeptTokens kept) const;
  Status check_values(const std::string& name, std::span<const int32_t> tokens,
                      KeptTokens kept) const;
  std::vector<int32_t> batch_input(const std::string& name, const PackedBatch& batch,
                                   std::span<const Request* const> requests) const;
  OutputSlice slice(const SlicedOutput& output, const PackedBatch& batch, size_t ordinal) const;

  ModelRunner& runner_;
  PackingContract contract_;
  bool strip_padding_;
  std::vector<const Anchor*> inputs_;
  std::vector<SlicedOutput> outputs_;
};

}  // namespace tessera
