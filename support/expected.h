// SPDX-License-Identifier: Apache-2.0
// A value, or the reason why there is none. Whatever a user can cause comes back this way, in
// words for that user: `where: what is, what must be`. Nothing here throws, because Debian's LLVM
// is built without exceptions and nothing may unwind through it or through compiled codelets.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace tessera {

// The kind of a failure decides the exit code of the command line (docs/architecture.md).
enum class ErrorKind : int {
  Failed = 1,       // anything without a code of its own
  Usage = 2,        // the caller's words are off
  Refused = 3,      // a policy said no (a recompile that may not happen, a deadline)
  OutOfMemory = 4,  // a tile's memory does not hold what the program needs
  BadFile = 5,      // a file that is damaged, untrusted or of another version
};

struct Error {
  std::string message;
  ErrorKind kind = ErrorKind::Failed;
  // One of several refusals, where a program must tell them apart; a literal, or empty.
  std::string_view type = {};
};

template <class T>
class [[nodiscard]] Expected {
 public:
  Expected(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Expected(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  T& operator*() { return *std::get_if<0>(&state_); }
  const T& operator*() const { return *std::get_if<0>(&state_); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  T take() { return std::move(*std::get_if<0>(&state_)); }

  Error& error() { return *std::get_if<1>(&state_); }
  const Error& error() const { return *std::get_if<1>(&state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Expected<void> {
 public:
  Expected() = default;
  Expected(Error error) : error_(std::move(error)) {}

  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  void take() {}
  Error& error() { return *error_; }
  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

using Status = Expected<void>;

}  // namespace tessera

// The value of an Expected, or return its error from this function. A statement expression, as
// both compilers we build with know it.
#define TRY(expression)                                                               \
  ({                                                                                  \
    auto&& tessera_try_ = (expression);                                               \
    if (!tessera_try_.ok()) return ::tessera::Error(std::move(tessera_try_.error())); \
    tessera_try_.take();                                                              \
  })
