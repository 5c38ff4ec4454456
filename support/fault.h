// SPDX-License-Identifier: Apache-2.0
// Faults that become errors. Two kinds of memory may be missing without a bug of the code that
// touches it, and a library must not end its host for either:
//
// - Compiled code is proved to stay inside its operands, which lie between guard pages. If a proof
//   is wrong, the code faults instead of writing elsewhere. catch_fault returns from the call.
// - A file that is mapped may be cut off by another process, and reading what is gone is SIGBUS.
//   Zero pages take the place of what is missing, the reader goes on, and is_whole says from then
//   on that these bytes are not what the file held: ask it after reading, before believing.
//
// One handler serves SIGSEGV, SIGBUS, SIGFPE and SIGILL. It is installed when one of the two is
// first used, once a process. A fault that is neither goes to the handler that was there before, or
// to the system's default, as if ours did not exist: a host such as Python keeps its own.
//
// All functions are thread-safe.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tessera {

// Calls work(context). 0 if it returned, else the signal that ended it. Nothing between the call
// and the fault is unwound, so that must hold no lock and own nothing: compiled code, and little
// else.
int catch_fault(void (*work)(const void* context), const void* context);
template <class Work>
int catch_fault(const Work& work) {
  return catch_fault([](const void* w) { (*static_cast<const Work*>(w))(); }, &work);
}

// "SIGSEGV"
std::string_view signal_name(int signal);

// A range of mapped file, watched for as long as this object lives. It begins at a page. A cut
// inside the file's last page raises no signal, so the length of the file at `path` is compared as
// well, unless another file has its place by now. An empty path is not looked at.
class WatchedMapping {
 public:
  WatchedMapping(const std::byte* begin, size_t bytes, std::string path, dev_t device,
                 ino_t number);
  ~WatchedMapping();
  WatchedMapping(const WatchedMapping&) = delete;
  // Compares the file's length with the mapping's: a system call.
  void look_at_length() const;

 private:
  struct Entry* entry_;
};

// False if these bytes are in a watched mapping of which a part was missing when it was read, or
// when somebody looked at the length of its file and found it too short.
bool is_whole(std::span<const std::byte> bytes);
// Looks at the length of every watched file, by a system call for each.
void look_at_lengths();
// How many mappings became broken so far, lengths looked at. One that came to nothing between two
// calls is the error of what was made in between from files that are closed by now.
int64_t broken_mappings();

}  // namespace tessera
