// SPDX-License-Identifier: Apache-2.0
// Heads that answer per request, in both forms of packing: what is right only where a row is one
// request (a first token, a mean that the mask leaves padding out of) is made again, on rows that
// are unpacked for it.
#pragma once

#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "passes/packable.h"

namespace tessera {

// Rows of one request each, as unpack makes them.
struct RequestRows {
  Node* places = nullptr;  // where requests stand: the input unpack_info
  int64_t requests = 0;    // rows: max_valid_num
  int64_t longest = 0;     // tokens of a row: segment_max_size
};

// Adds the input unpack_info. `places` is [requests,1] for lengths (form A), or [requests,2] for
// the start of each request in the line of all tokens, and its length (form B).
RequestRows add_request_rows(Graph& graph, PassState& state, const Shape& places, int64_t longest);
// A user's error if `value` is not within 1 .. most; `why` says what that is.
Status check_pack_arg(const char* name, int64_t value, int64_t most, const char* why);

Node* put_unpack(Graph& graph, const Node* before, Node* value, const RequestRows& rows);

class RequestHeads {
 public:
  RequestHeads(Graph& graph, const Packable& model, const RequestRows& rows)
      : graph_(graph), model_(model), rows_(rows) {}

  // Every node of model.axes that is right by request alone. Errors are a user's.
  Status make();
  // The same value as `node`, which is such a node, by request: [requests,…] or
  // [requests,longest,…].
  Node* made(const Node* node) const { return again_.at(node); }

 private:
  const TokenAxes& axes(const Node* node) const { return model_.axes.at(node); }
  std::vector<Node*> right_by_request() const;
  bool is_made_again(const Node* node) const {
    return axes(node).by_request || axes(node).goes_back;
  }
  void pack_again(Node* node);
  bool may_be_unpacked(const Node* value) const;
  Node* transposed(Node* value, const Node* before);
  Node* unpacked(Node* value, const Node* before);
  Node* first_tokens(Node* value, const Node* before);
  Node* resized(Node* value, size_t axis, int64_t size, const Node* before);
  Node* beside(Node* value, const Node* node);
  Node* operand_again(Node* node, size_t i);
  Status make_again(Node* node);
  std::array<std::pair<int, int64_t>, 4> sizes_by_request(const TokenAxes& made) const;
  std::map<std::string, Attr> sizes_again(const Node* node) const;

  Graph& graph_;
  const Packable& model_;
  const RequestRows rows_;
  std::unordered_map<const Node*, Node*> again_;     // of a value by row: the same by request
  std::unordered_map<const Node*, Node*> unpacked_;  // of packed tokens that those are made of
  std::unordered_map<const Node*, Node*> first_tokens_;
};

}  // namespace tessera
