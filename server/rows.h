// SPDX-License-Identifier: Apache-2.0
// A call's tensors as requests, and answers as tensors again: a row of a batch is a request. Rows
// are as wide as the call's; what a mask strips of a row is 0 in its answer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "program/packing_contract.h"
#include "program/popef.h"
#include "server/call.h"
#include "serving/padded_rows.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera::server {

struct TensorFacts {
  std::string name;
  WireType type = WireType::Int64;
  Shape shape;  // -1: the caller's choice
};

// The requests that callers may send to an executable that takes them, and its answers.
class RowFormat {
 public:
  static Expected<RowFormat> create(const Metadata& metadata);

  const std::vector<TensorFacts>& inputs() const { return input_facts_; }
  const std::vector<TensorFacts>& outputs() const { return output_facts_; }

  struct Rows {
    std::vector<Request> requests;
    int64_t width = 0;            // tokens of each row, padding included
    bool batched = false;         // [rows,width]; false: one request of [width]
    std::vector<size_t> outputs;  // asked for, by number
  };
  // Errors say what is wrong with which input. The runner finds what is wrong with a request alone
  // (an index past a table, its length).
  Expected<Rows> split(const InferCall& call, int64_t most_rows) const;
  // Bytes of the tensors that join makes; checked against overflow by the size of the call.
  int64_t answer_bytes(const Rows& rows) const;
  // `shape_of`: the rows, of which no request is looked at.
  std::vector<WireOutput> join(const Rows& shape_of, const std::vector<Answer>& answers) const;

 private:
  struct Input {
    std::string name;
    Shape of_token;  // {}: one number
  };
  struct Output {
    Anchor anchor;
    WireType type = WireType::Fp32;
    OutputOfRequest of_request;
  };
  void add_input(const Metadata& metadata, const std::string& name);
  void add_output(const Anchor& anchor);
  const Input* find(const std::string& name) const;
  std::string input_names() const;
  Status check_shape(const WireInput& input, const Shape& ids) const;

  PackingContract contract_;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  std::vector<TensorFacts> input_facts_, output_facts_;
};

}  // namespace tessera::server
