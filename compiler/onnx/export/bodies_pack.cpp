// SPDX-License-Identifier: Apache-2.0
// pack and unpack in ONNX's own operations: a lookup of tokens by numbers that are computed of the
// segments' places. The token -1, the last of the table, is one of zeros, for what is left free.
#include "compiler/onnx/export/function_body.h"

namespace tessera::bodies {
namespace {

struct Segments {
  std::string starts, lengths;  // i32 [segments]
};

Segments segments_of(FunctionBody& body, const std::string& places, const Shape& shape) {
  const auto column = [&](int64_t i) {
    return body.add("Gather",
                    {
                        places, body.counter(i, 0, 1, {}
                            )
    },
                    {{"axis", int64_t{1}}});
  };
  if (shape[1] == 2) return {column(0), column(1)};
  const std::string lengths = column(0);
  const std::string ends = body.add("CumSum", {lengths, body.counter(0, 0, 1, {})});
  return {body.add("Sub", {ends, lengths}), lengths};
}

// All tokens in a line, and the one of zeros behind them.
std::string table_of(FunctionBody& body, const std::string& x, const TensorType& type) {
  Shape line = type.shape;
  line[0] *= line[1];
  line.erase(line.begin() + 1);
  Shape one = line;
  one[0] = 1;
  const std::string nothing = body.constant(Array{
      {type.dtype, one},
      std::vector<double>(static_cast<size_t>(elements(one)), 0.0)
  });
  return body.add("Concat",
                  {
                      body.reshape(x, line), nothing
  },
                  {{"axis", int64_t{0}}});
}

std::string looked_up(FunctionBody& body, const std::string& table, const std::string& numbers) {
  return body.add("Gather",
                  {
                      table, numbers
  },
                  {{"axis", int64_t{0}}});
}

}  // namespace

void Pack(FunctionBody& body, const Node& node) {
  const std::string x = body.input("x"), places = body.input("places");
  const TensorType& from = node.in[0]->type;
  const int64_t segments = from.shape[0], longest = from.shape[1];
  const int64_t tokens = node.int_attr("rows") * node.int_attr("row_length");
  const Segments at = segments_of(body, places, node.in[1]->type.shape);
  // [tokens, segments]: how far each token of the line is behind each segment's start.
  const std::string line = body.counter(0, 1, tokens, {tokens, 1});
  const std::string offset = body.add("Sub", {line, body.reshape(at.starts, {1, segments})});
  const std::string before = body.add("Less", {offset, body.counter(0, 0, 1, {})});
  const std::string within = body.add("Less", {offset, body.reshape(at.lengths, {1, segments})});
  const std::string inside = body.add("And", {within, body.add("Not", {before})});
  const std::string token =
      body.add("Add", {offset, body.counter(0, longest, segments, {1, segments})});
  const std::string taken = body.add("Where", {inside, token, body.counter(-1, 0, 1, {})});
  const std::string numbers = body.reshape(body.greatest(taken, 1), {tokens});
  body.reshape(looked_up(body, table_of(body, x, from), numbers), node.type.shape);
}

void Unpack(FunctionBody& body, const Node& node) {
  const std::string x = body.input("x"), places = body.input("places");
  const int64_t segments = node.type.shape[0], longest = node.type.shape[1];
  const Segments at = segments_of(body, places, node.in[1]->type.shape);
  const std::string offset = body.counter(0, 1, longest, {1, longest});
  const std::string inside = body.add("Less", {offset, body.reshape(at.lengths, {segments, 1})});
  const std::string token = body.add("Add", {offset, body.reshape(at.starts, {segments, 1})});
  const std::string numbers = body.add("Where", {inside, token, body.counter(-1, 0, 1, {})});
  looked_up(body, table_of(body, x, node.in[0]->type), numbers);
}

}  // namespace tessera::bodies
