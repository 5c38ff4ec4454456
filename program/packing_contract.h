// SPDX-License-Identifier: Apache-2.0
// The vocabulary of packing: in which form an executable takes requests, and which of its inputs
// and outputs carry what. A runner that has the contract need not know the model.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/packing_form.h"
#include "support/type.h"

namespace tessera {

// How much of a batch a request takes where nothing is packed: it is alone in its row or in its
// batch, and as long as is needed for its answer to be the one that it has alone.
enum class RequestSize : uint8_t {
  Batch,   // the whole batch; rows see each other, or nothing is known
  Row,     // a whole row; padding behind it would be part of its answer
  Tokens,  // any part of a row, from its start; every input is 0 behind it
};

std::string_view to_string(RequestSize size);  // "batch", "row" or "tokens"

struct PackingContract {
  PackingForm form = PackingForm::None;
  int64_t rows = 0;              // batch
  int64_t row_length = 0;        // sequence
  int64_t max_valid_num = 0;     // requests per batch at most; B: 0 for no limit but the rows
  int64_t segment_max_size = 0;  // longest request
  std::vector<std::string>
      token_inputs;               // [rows,row_length], concatenated per request: input_ids …
  std::string ids_input;          // the one whose length is the request's length
  std::string mask_input;         // attention_mask ("" if the model has none)
  std::string position_input;     // position_ids ("" in an unpacked model)
  std::string unpack_info_input;  // unpack_info_shape; form B: "" if no output is `per_request`
  // Outputs: form A [max_valid_num, segment_max_size, …], form B and without packing
  // [rows, row_length, …]. Where `per_request`: in both forms [max_valid_num,…], without packing
  // [rows, …].
  struct OutputRule {
    std::string name;
    bool per_request = false;  // one row per request, not one per token
  };
  std::vector<OutputRule> outputs;
  // Form B: free cells between the requests of a row, for models that mix neighbouring tokens.
  // Asked of the packer (packing/pack.h) and not kept in the file: no model that is packed needs
  // them yet.
  int64_t zero_delimiters = 0;
  // Without packing, what the compiler has proved (passes/paddable.h); Tokens in both forms.
  RequestSize request_size = RequestSize::Batch;
  std::string why_no_less = {};  // what stands against a smaller one, in a user's words
  // -1 for none. Packed: an id that a request must not hold, because the model counts its positions
  // without it, and those of a packed model are given (RoBERTa's). Not packed: an id that the model
  // hides, so that a request must hold another.
  int64_t padding_id = -1;
  // Packed: the model alone would hide a token of that id, so that no request may hold it, also not
  // one that gives its positions.
  bool padding_is_hidden = false;
  // The mask is 0 at every token and 1 where it hides, as a key padding mask is: a request has 0s,
  // and rows that are padded 1s behind them. Packed batches hold the same as with any mask.
  bool mask_hides = false;
};

// Where requests stand: in form A [max_valid_num,1], the length of each, as they lie end to end; in
// form B [max_valid_num,2], the first token of each in the line of all tokens, and its length.
inline Shape unpack_info_shape(const PackingContract& contract) {
  return {contract.max_valid_num, contract.form == PackingForm::B ? 2 : 1};
}

}  // namespace tessera
