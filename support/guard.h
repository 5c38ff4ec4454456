// SPDX-License-Identifier: Apache-2.0
// The doors of the library. Nothing of ours throws, but what we call does: memory that the process
// cannot have, a thread that cannot be started, a library's own exceptions. At a door, which is
// every function that a host calls and the start of every thread of ours, they become an Error.
//
// LLVM is built without exceptions, so nothing may unwind through it: executor/jit_thread.h.
#pragma once

#include <cxxabi.h>

#include <optional>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#include "support/expected.h"

namespace tessera {

// Error::type where this process cannot have the memory that it needs. A tile's memory is another
// matter: ErrorKind::OutOfMemory.
inline constexpr std::string_view kNoHostMemory = "host_memory";
Error no_host_memory(std::string_view where);

// The exception at hand as an Error. For catch blocks.
Error error_of_exception(std::string_view where);

// body(), or the error of what it throws. `where` begins the message.
template <class Body>
std::invoke_result_t<Body> guarded(std::string_view where, Body&& body) {
  try {
    return std::forward<Body>(body)();
  } catch (const abi::__forced_unwind&) {
    throw;  // the system ends this thread
  } catch (...) {
    return error_of_exception(where);
  }
}

// A thread that runs `work`, or the reason why there is none: the system has no more of them.
template <class Work>
Expected<std::thread> start_thread(std::string_view where, Work work) {
  return guarded(where, [&]() -> Expected<std::thread> { return std::thread(std::move(work)); });
}

}  // namespace tessera
