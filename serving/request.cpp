// SPDX-License-Identifier: Apache-2.0
#include "serving/request.h"

#include <cstring>
#include <limits>

#include "serving/rejection.h"

namespace tessera {
namespace {

Error wrong(const std::string& name, const std::string& what, std::string_view type) {
  return {"request: " + name + what, ErrorKind::Failed, type};
}

Expected<std::vector<int32_t>> tokens_from(const std::string& name, const InputView& view) {
  const bool is_bool = view.dtype == DType::Bool;
  if (view.dtype != DType::I32 && !is_bool) {
    return wrong(name, " is " + std::string(to_string(view.dtype)) + ", must be i32, int64 or bool",
                 rejection::kWrongDtype);
  }
  const Shape& shape = view.shape;
  if (shape.empty()) {
    return wrong(name, " is " + to_string(shape) + ", must be [length] or [1,length]",
                 rejection::kWrongInput);
  }
  const size_t bytes = is_bool ? 1 : view.wide ? sizeof(int64_t) : sizeof(int32_t);
  std::vector<int32_t> tokens(view.bytes.size() / bytes);
  int64_t count = 1;
  for (const int64_t size : shape) {
    const bool fits = size >= 0 && (size == 0 || count <= std::ssize(tokens) / size + 1);
    count = fits ? count * size : -1;
    if (!fits) break;
  }
  if (count < 0 || view.bytes.size() != static_cast<size_t>(count) * bytes) {
    return wrong(name,
                 " has a buffer of " + std::to_string(view.bytes.size()) +
                     " bytes, must be of its tokens " + to_string(shape),
                 rejection::kWrongInput);
  }
  if (is_bool) {
    for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = view.bytes[i] != std::byte{0};
    return tokens;
  }
  if (!view.wide) {
    if (!tokens.empty()) std::memcpy(tokens.data(), view.bytes.data(), view.bytes.size());
    return tokens;
  }
  for (size_t i = 0; i < tokens.size(); ++i) {
    int64_t value;
    std::memcpy(&value, view.bytes.data() + i * bytes, bytes);
    tokens[i] = static_cast<int32_t>(value);
    if (tokens[i] == value) continue;
    return wrong(
        name,
        " has value " + std::to_string(value) + " at " + std::to_string(i) + ", must fit 32 bits",
        rejection::kOutOfRange);
  }
  return tokens;
}

}  // namespace

Expected<Request> request_from(const InputViews& arrays) {
  Request request;
  for (const auto& [name, view] : arrays) {
    request.tokens[name] = TRY(tokens_from(name, view));
    request.shapes[name] = view.shape;
  }
  return request;
}

}  // namespace tessera
