// SPDX-License-Identifier: Apache-2.0
// Padded batches as tokenizers make them: arrays [rows,width], where a row is a request and the
// mask says which of its tokens are there. The rest may stand before them or behind them. An answer
// has the batch's shape again, with 0 where the padding is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "program/packing_contract.h"
#include "program/popef.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

struct BatchSize {
  int64_t rows = 0;
  int64_t width = 0;  // tokens of each row, padding included
};

// The size of a padded batch, by its input `ids` [rows,width]; nothing for a request ([length] or
// [1,length]). With `one_row`, [1,length] is a batch too.
std::optional<BatchSize> padded_batch(const std::string& ids, const Request& arrays,
                                      bool one_row = false);

// The rows of a padded batch, each a padded request. Every array must be [rows,width,…] as `ids`
// is; errors name the one that is not. The runner finds what is wrong with a row alone.
Expected<std::vector<Request>> split_rows(const Request& batch, const std::string& ids);
// A row's own tokens alone, without their mask. `there` is what a mask says of a token that is
// there. A row without a mask stays as it is; one with a hole is the error of kept_tokens.
Expected<Request> without_padding(const Request& row, const std::string& ids,
                                  const std::string& mask, int32_t there);

// An output's part for each request: `item` once, or for each of its tokens.
struct OutputOfRequest {
  bool per_token = false;
  Shape item;
};
OutputOfRequest output_of_request(const PackingContract& contract, const Anchor& output);
// The shape of one request's part of an output, which has `bytes` bytes. It is the shape that the
// model gives for this request alone, without the axis of the batch: [length,item…], or [item…]
// where the model says one thing of a request.
Shape answer_shape(const PackingContract& contract, const Anchor& output, size_t bytes);

// One output of a padded batch, in the anchor's dtype.
struct BatchOutput {
  Shape shape;  // [rows,item…] or [rows,width,item…]
  std::vector<std::byte> bytes;
};
BatchOutput join_rows(const OutputOfRequest& output, const Anchor& anchor, int64_t width,
                      std::span<const Answer> answers);

}  // namespace tessera
