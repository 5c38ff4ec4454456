// SPDX-License-Identifier: Apache-2.0
// LLVM's errors as ours.
#pragma once

#include <fmt/format.h>
#include <llvm/Support/Error.h>

#include <string_view>
#include <utility>

#include "support/expected.h"

namespace tessera {

inline Error error_of(std::string_view where, llvm::Error error) {
  return Error{fmt::format("{}: {}", where, llvm::toString(std::move(error)))};
}

// The value of LLVM's Expected, or its error as ours.
template <class T>
Expected<T> ours(std::string_view where, llvm::Expected<T> value) {
  if (!value) return error_of(where, value.takeError());
  return std::move(*value);
}

inline Status ours(std::string_view where, llvm::Error error) {
  if (error) return error_of(where, std::move(error));
  return {};
}

}  // namespace tessera
