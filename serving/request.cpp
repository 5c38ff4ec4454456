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
  if (view.dtype != DType::I32) {
    return wrong(name, " is " + std::string(to_string(view.dtype)) + ", must be i32 or int64",
                 rejection::kWrongDtype);
  }
  const Shape& shape = view.shape;
  if (shape.size() != 1 && !(shape.size() == 2 && shape[0] == 1)) {
    return wrong(name, " is " + to_string(shape) + ", must be [length] or [1,length]",
                 rejection::kWrongInput);
  }
  const size_t bytes = view.wide ? sizeof(int64_t) : sizeof(int32_t);
  std::vector<int32_t> tokens(view.bytes.size() / bytes);
  if (shape.back() < 0 || view.bytes.size() != static_cast<size_t>(shape.back()) * bytes) {
    return wrong(name,
                 " has a buffer of " + std::to_string(view.bytes.size()) +
                     " bytes, must be of its " + std::to_string(shape.back()) + " tokens",
                 rejection::kWrongInput);
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
  for (const auto& [name, view] : arrays) request.tokens[name] = TRY(tokens_from(name, view));
  return request;
}

}  // namespace tessera
