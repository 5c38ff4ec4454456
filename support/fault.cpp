// SPDX-License-Identifier: Apache-2.0
#include "support/fault.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "support/math.h"

namespace tessera {

// An entry of the list of watched mappings, which the handler walks without a lock. Entries are
// used again and never freed.
struct Entry {
  std::atomic<uintptr_t> begin{0}, end{0};  // begin 0: free
  std::atomic<bool> broken{false};
  std::atomic<Entry*> next{nullptr};
  // The file's, behind entries_mutex; the handler does not look at them.
  std::string path;
  dev_t device = 0;
  ino_t number = 0;
  size_t bytes = 0;
};

namespace {

constexpr std::array kSignals = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

std::atomic<Entry*> first_entry{nullptr};
std::atomic<int64_t> broken{0};

// Where catch_fault goes on; null outside of it. In the executable's or library's own block of
// thread-local memory: a handler must not allocate some.
[[gnu::tls_model("initial-exec")]] constinit thread_local sigjmp_buf* volatile resume = nullptr;

std::array<struct sigaction, kSignals.size()> before;

size_t index_of(int signal) {
  size_t i = 0;
  while (kSignals[i] != signal) ++i;
  return i;
}

Entry* entry_of(uintptr_t address) {
  for (Entry* e = first_entry.load(std::memory_order_acquire); e != nullptr; e = e->next.load()) {
    const uintptr_t begin = e->begin.load(std::memory_order_acquire);
    if (begin != 0 && address >= begin && address < e->end.load()) return e;
  }
  return nullptr;
}

void mark_broken(Entry& entry) {
  if (!entry.broken.exchange(true)) broken.fetch_add(1);
}

// Zeros from the page at `address` to the mapping's end.
bool mend(uintptr_t address) {
  Entry* const entry = entry_of(address);
  if (entry == nullptr) return false;
  mark_broken(*entry);
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t begin = address / page * page;
  void* const zeros = ::mmap(reinterpret_cast<void*>(begin), entry->end.load() - begin, PROT_READ,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  return zeros != MAP_FAILED;
}

// A fault of this thread's own, and not a signal that somebody sent; Python's fault handler raises
// in this thread what it was handed.
bool is_fault(const siginfo_t& info) {
  return info.si_code > 0 || (info.si_code == SI_TKILL && info.si_pid == ::getpid());
}

// As if our handler did not exist.
void hand_on(int signal, siginfo_t* info, void* context) {
  const struct sigaction& old = before[index_of(signal)];
  if (old.sa_flags & SA_SIGINFO || (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN)) {
    sigset_t blocked = old.sa_mask;
    if (!(old.sa_flags & SA_NODEFER)) sigaddset(&blocked, signal);
    ::pthread_sigmask(SIG_BLOCK, &blocked, nullptr);  // until this handler returns
    if (old.sa_flags & SA_SIGINFO) return old.sa_sigaction(signal, info, context);
    return old.sa_handler(signal);
  }
  if (old.sa_handler == SIG_IGN && info->si_code <= 0) return;
  // The default: the instruction faults again, or the signal is sent again.
  struct sigaction standard = {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  if (info->si_code <= 0) ::raise(signal);
}

void handle(int signal, siginfo_t* info, void* context) {
  const int saved = errno;
  const bool fault = is_fault(*info);
  if (signal == SIGBUS && fault && mend(reinterpret_cast<uintptr_t>(info->si_addr))) {
    errno = saved;
    return;
  }
  if (resume != nullptr && fault) siglongjmp(*resume, signal);
  hand_on(signal, info, context);
  errno = saved;
}

// SA_NODEFER: a handler that is left by a jump leaves no signal blocked.
void install() {
  static const bool once = [] {
    struct sigaction ours = {};
    ours.sa_sigaction = handle;
    ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigemptyset(&ours.sa_mask);
    for (size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], nullptr, &before[i]);
      ::sigaction(kSignals[i], &ours, nullptr);
    }
    return true;
  }();
  static_cast<void>(once);
}

std::mutex& entries_mutex() {
  static std::mutex mutex;
  return mutex;
}

void compare_length(Entry& entry) {
  struct stat file;
  if (entry.path.empty() || ::stat(entry.path.c_str(), &file) != 0) return;
  const bool same = file.st_dev == entry.device && file.st_ino == entry.number;
  if (same && static_cast<size_t>(file.st_size) < entry.bytes) mark_broken(entry);
}

Entry* free_entry() {
  for (Entry* e = first_entry.load(); e != nullptr; e = e->next.load())
    if (e->begin.load() == 0) return e;
  auto* const entry = new Entry;
  entry->next.store(first_entry.load());
  first_entry.store(entry, std::memory_order_release);
  return entry;
}

}  // namespace

[[gnu::noinline]] int catch_fault(void (*work)(const void*), const void* context) {
  install();
  sigjmp_buf here;
  sigjmp_buf* volatile const outer = resume;
  const int signal = sigsetjmp(here, 0);
  if (signal == 0) {
    resume = &here;
    work(context);
  }
  resume = outer;
  return signal;
}

std::string_view signal_name(int signal) {
  constexpr std::array<std::string_view, kSignals.size()> kNames = {"SIGSEGV", "SIGBUS", "SIGFPE",
                                                                    "SIGILL"};
  return kNames[index_of(signal)];
}

WatchedMapping::WatchedMapping(const std::byte* begin, size_t bytes, std::string path, dev_t device,
                               ino_t number) {
  install();
  const std::scoped_lock lock(entries_mutex());
  const int64_t page = ::sysconf(_SC_PAGESIZE);
  entry_ = free_entry();
  entry_->broken.store(false);
  entry_->path = std::move(path);
  entry_->device = device;
  entry_->number = number;
  entry_->bytes = bytes;
  entry_->end.store(reinterpret_cast<uintptr_t>(begin) +
                    static_cast<size_t>(round_up(static_cast<int64_t>(bytes), page)));
  entry_->begin.store(reinterpret_cast<uintptr_t>(begin), std::memory_order_release);
}

WatchedMapping::~WatchedMapping() {
  const std::scoped_lock lock(entries_mutex());
  compare_length(*entry_);
  entry_->begin.store(0);
}

void WatchedMapping::look_at_length() const {
  const std::scoped_lock lock(entries_mutex());
  compare_length(*entry_);
}

void look_at_lengths() {
  const std::scoped_lock lock(entries_mutex());
  for (Entry* e = first_entry.load(); e != nullptr; e = e->next.load())
    if (e->begin.load() != 0) compare_length(*e);
}

int64_t broken_mappings() {
  look_at_lengths();
  return broken.load(std::memory_order_acquire);
}

bool is_whole(std::span<const std::byte> bytes) {
  if (broken.load(std::memory_order_acquire) == 0 || bytes.empty()) return true;
  const std::scoped_lock lock(entries_mutex());
  const Entry* const entry = entry_of(reinterpret_cast<uintptr_t>(bytes.data()));
  return entry == nullptr || !entry->broken.load();
}

}  // namespace tessera
