// SPDX-License-Identifier: Apache-2.0
#include "support/temporary.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>

namespace tessera {
namespace {

constexpr std::string_view kStart = ".tessera-", kEnd = ".tmp";

// A handler may neither allocate nor lock: what it removes stands in an array, each place with a
// state of its own. A place is filled, and emptied again, by its owner; a handler that has taken it
// never gives it back, and the owner waits for the end of the process.
enum State : int { kFree, kBusy, kUsed, kTaken };
struct Slot {
  std::atomic<int> state{kFree};
  pid_t owner = 0;  // a child has a copy, and nothing to remove
  int folder = -1;
  int flags = 0;
  char name[96] = {};
};
static_assert(std::atomic<int>::is_always_lock_free);
constexpr int kSlots = 256;
Slot slots[kSlots];
std::atomic<bool> ending{false};

[[noreturn]] void wait_for_the_end() {
  for (;;) ::pause();
}

void remove_all_of(int flags) {
  for (Slot& slot : slots) {
    int state = kUsed;
    if (slot.flags != flags || !slot.state.compare_exchange_strong(state, kTaken)) continue;
    if (slot.owner == ::getpid()) ::unlinkat(slot.folder, slot.name, slot.flags);
  }
}

extern "C" void remove_and_end(int signal) {
  ending = true;
  remove_all_of(0);
  remove_all_of(AT_REMOVEDIR);
  struct sigaction usual = {};
  usual.sa_handler = SIG_DFL;
  ::sigaction(signal, &usual, nullptr);
  ::raise(signal);  // it is blocked here, and ends the process as the handler returns
}

bool is_temporary_name(std::string_view name) {
  if (!name.starts_with(kStart) || !name.ends_with(kEnd)) return false;
  name.remove_prefix(kStart.size());
  if (name.size() <= kEnd.size()) return false;
  name.remove_suffix(kEnd.size());
  return std::ranges::all_of(name, [](char c) { return (c >= '0' && c <= '9') || c == '-'; });
}

std::string next_name() {
  static std::atomic<uint64_t> next = 0;
  return std::string(kStart) + std::to_string(::getpid()) + "-" + std::to_string(next++) +
         std::string(kEnd);
}

void remove_if_dead(int folder, const char* name) {
  const Descriptor file(::openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  struct stat status;
  if (!file.is_open() || ::fstat(file.get(), &status) != 0) return;
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid()) return;
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) ::unlinkat(folder, name, 0);
}

// Whether the file is ours now. A sweeper may have come between its making and its lock.
bool hold(int file) {
  struct stat status;
  if (::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return false;
  return ::fstat(file, &status) == 0 && status.st_nlink > 0;
}

}  // namespace

RemovedBySignal::RemovedBySignal(int folder, std::string_view name, Kind kind) : slot_(-1) {
  if (name.size() >= sizeof slots[0].name) return;
  for (int i = 0; i < kSlots; ++i) {
    Slot& slot = slots[i];
    int state = kFree;
    if (!slot.state.compare_exchange_strong(state, kBusy)) continue;
    slot.owner = ::getpid();
    slot.folder = folder;
    slot.flags = kind == Kind::Folder ? AT_REMOVEDIR : 0;
    std::memcpy(slot.name, name.data(), name.size());
    slot.name[name.size()] = '\0';
    slot.state = kUsed;
    slot_ = i;
    break;
  }
  if (ending) wait_for_the_end();
}

RemovedBySignal::~RemovedBySignal() {
  if (slot_ < 0) return;
  int state = kUsed;
  if (!slots[slot_].state.compare_exchange_strong(state, kFree) && ending) wait_for_the_end();
}

std::optional<Temporary> Temporary::create(int folder, mode_t mode) {
  sweep_temporaries(folder);
  for (int tries = 0; tries < 100; ++tries) {
    std::string name = next_name();
    RemovedBySignal removed(folder, name);
    Descriptor file(
        ::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!file.is_open() && errno == EEXIST) continue;  // of another host, or another namespace
    if (!file.is_open()) return std::nullopt;
    if (hold(file.get()))
      return Temporary(folder, std::move(name), std::move(file), std::move(removed));
  }
  errno = EAGAIN;
  return std::nullopt;
}

Temporary::~Temporary() {
  if (file_.is_open() && !name_.empty()) ::unlinkat(folder_, name_.c_str(), 0);
}

bool Temporary::rename_to(const std::string& name) {
  // Some file systems tell at a close that they could not write. The file itself stays open, and
  // so its lock is held, until it has its name.
  const int copy = ::dup(file_.get());
  if (copy < 0 || ::close(copy) != 0) return false;
  if (::renameat(folder_, name_.c_str(), folder_, name.c_str()) != 0) return false;
  name_.clear();
  file_.close();
  return true;
}

void sweep_temporaries(int folder) {
  constexpr int kMostNames = 10'000;
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (again < 0) return;
  DIR* listing = ::fdopendir(again);
  if (listing == nullptr) {
    ::close(again);
    return;
  }
  for (int i = 0; i < kMostNames; ++i) {
    const dirent* entry = ::readdir(listing);
    if (entry == nullptr) break;
    if (is_temporary_name(entry->d_name)) remove_if_dead(folder, entry->d_name);
  }
  ::closedir(listing);
}

void remove_temporaries_on_signals() {
  struct sigaction ours = {};
  ours.sa_handler = remove_and_end;
  ::sigemptyset(&ours.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU}) {
    struct sigaction before;
    if (::sigaction(signal, nullptr, &before) != 0 || before.sa_handler == SIG_IGN) continue;
    ::sigaction(signal, &ours, nullptr);
  }
  std::signal(SIGXFSZ, SIG_IGN);
}

}  // namespace tessera
