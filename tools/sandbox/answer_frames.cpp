// SPDX-License-Identifier: Apache-2.0
#include "tools/sandbox/answer_frames.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "support/plain_text.h"
#include "support/type.h"

namespace tessera::tools {
namespace {

constexpr size_t kMostName = 4096;
constexpr std::string_view kDescrs[] = {"<f4", "<f2", "<i4", "|b1"};

template <class T>
void put(std::string& to, Le<T> value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof value);
}
void put_text(std::string& to, std::string_view text) {
  put(to, Le<uint64_t>(text.size()));
  to += text;
}

class Body {
 public:
  explicit Body(std::string_view rest) : rest_(rest) {}
  bool empty() const { return rest_.empty(); }

  Expected<uint64_t> number() {
    Le<uint64_t> value;
    if (rest_.size() < sizeof value) return cut();
    std::memcpy(&value, rest_.data(), sizeof value);
    rest_.remove_prefix(sizeof value);
    return static_cast<uint64_t>(value);
  }
  Expected<std::string_view> text() {
    const uint64_t size = TRY(number());
    if (size > rest_.size()) return cut();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }

 private:
  static Error cut() { return Error{"an answer of the sandbox ends too early"}; }
  std::string_view rest_;
};

Expected<Shape> parse_shape(Body& body) {
  const uint64_t rank = TRY(body.number());
  if (rank > kMaxRank) return Error{"an array of the sandbox has too many dimensions"};
  Shape shape(rank);
  for (int64_t& dim : shape) dim = static_cast<int64_t>(TRY(body.number()));
  if (is_valid_shape(shape)) return shape;
  return Error{"an array of the sandbox has a shape that is not one"};
}

int64_t item_bytes(std::string_view descr) { return descr == "|b1" ? 1 : descr[2] - '0'; }

Expected<NpyArray> parse_array(Body& body) {
  NpyArray array;
  array.descr = TRY(body.text());
  if (std::ranges::find(kDescrs, array.descr) == std::end(kDescrs))
    return Error{"an array of the sandbox has a dtype that no output has"};
  array.shape = TRY(parse_shape(body));
  const std::string_view bytes = TRY(body.text());
  if (bytes.size() != static_cast<uint64_t>(elements(array.shape) * item_bytes(array.descr)))
    return Error{"an array of the sandbox has bytes that its shape does not"};
  array.bytes.resize(bytes.size());
  std::ranges::copy(std::as_bytes(std::span(bytes)), array.bytes.begin());
  return array;
}

std::string frame(FrameKind kind, uint32_t number, std::string_view body) {
  const FrameHeader header{static_cast<uint32_t>(kind), number, body.size()};
  return std::string(reinterpret_cast<const char*>(&header), sizeof header).append(body);
}

}  // namespace

std::string arrays_frame(uint32_t folder, const std::map<std::string, NpyArray>& arrays) {
  std::string body;
  for (const auto& [name, array] : arrays) {
    put_text(body, name);
    put_text(body, array.descr);
    put(body, Le<uint64_t>(array.shape.size()));
    for (const int64_t dim : array.shape) put(body, Le<uint64_t>(static_cast<uint64_t>(dim)));
    put_text(body, {reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()});
  }
  return frame(FrameKind::Arrays, folder, body);
}

std::string done_frame(const Status& status) {
  if (status.ok()) return frame(FrameKind::Done, 0, "");
  return frame(FrameKind::Done, static_cast<uint32_t>(status.error().kind), status.error().message);
}

Expected<std::map<std::string, NpyArray>> parse_arrays(std::string_view text) {
  Body body(text);
  std::map<std::string, NpyArray> arrays;
  while (!body.empty()) {
    const std::string name(TRY(body.text()));
    if (name.empty() || name.size() > kMostName || !is_plain_text(name))
      return Error{"an array of the sandbox has a name that no output has"};
    arrays.insert_or_assign(name, TRY(parse_array(body)));
  }
  return arrays;
}

Status parse_done(uint32_t kind, std::string_view message) {
  if (kind == 0) return {};
  const bool known = kind <= static_cast<uint32_t>(ErrorKind::BadFile);
  return Error{std::string(message), known ? static_cast<ErrorKind>(kind) : ErrorKind::Failed};
}

}  // namespace tessera::tools
