// SPDX-License-Identifier: Apache-2.0
#include "tools/sandbox/sandbox.h"

#include <fmt/format.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace tessera::tools {
namespace {

Error lacks(const char* part, int error) {
  return Error{
      fmt::format("--sandbox: this kernel does not give {} ({}), must: run on one that "
                  "does, or without --sandbox a file that you trust",
                  part, std::strerror(error))};
}

// --- Landlock: no library has it in Debian, and its system calls are three ---

// As linux/landlock.h of newer kernels has it; a version of the interface knows a front part of it.
struct Ruleset {
  uint64_t files = 0, network = 0, scoped = 0;
};
struct LandlockVersion {
  int first;  // from this one on
  size_t bytes;
  Ruleset handled;
};
constexpr LandlockVersion kLandlock[] = {
    {6, 24, {0xffff, 3, 3}}, // signals and abstract sockets out of it
    {5, 16, {0xffff, 3, 0}}, // ioctl of devices
    {4, 16, {0x7fff, 3, 0}}, // TCP
    {3, 8,  {0x7fff, 0, 0}}, // truncate
    {2, 8,  {0x3fff, 0, 0}}, // rename between folders
    {1, 8,  {0x1fff, 0, 0}},
};

Expected<int> landlock_version() {
  constexpr uint32_t kVersion = 1;
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, kVersion);
  if (version >= 1) return static_cast<int>(version);
  return lacks("Landlock", version < 0 ? errno : ENOSYS);
}

// Everything that Landlock knows is handled, and no rule allows any of it.
Status lock_files() {
  const int version = TRY(landlock_version());
  const auto known = std::ranges::find_if(
      kLandlock, [version](const LandlockVersion& row) { return version >= row.first; });
  const long ruleset =
      ::syscall(SYS_landlock_create_ruleset, &known->handled, known->bytes, uint32_t{0});
  if (ruleset < 0) return lacks("Landlock", errno);
  const bool locked = ::syscall(SYS_landlock_restrict_self, ruleset, uint32_t{0}) == 0;
  const int error = errno;
  ::close(static_cast<int>(ruleset));
  if (!locked) return lacks("Landlock", error);
  return {};
}

// --- seccomp: what is not listed fails with EPERM ---

constexpr int kAllowed[] = {
    // memory
    SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(mprotect),
    SCMP_SYS(madvise),
    // threads
    SCMP_SYS(futex), SCMP_SYS(set_robust_list), SCMP_SYS(rseq), SCMP_SYS(gettid), SCMP_SYS(getpid),
    SCMP_SYS(sched_yield), SCMP_SYS(sched_getaffinity), SCMP_SYS(exit), SCMP_SYS(exit_group),
    // its own signals
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    // what it holds open
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
    // time and chance
    SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(time),
    SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(getrandom), SCMP_SYS(sysinfo)};

using Filter = std::unique_ptr<void, decltype(&seccomp_release)>;

// Calls that depend on what they are asked for. Adds up libseccomp's error codes.
int add_conditional(scmp_filter_ctx filter) {
  constexpr uint64_t kThread = 0x00010000;      // CLONE_THREAD: a thread of this process
  constexpr uint64_t kNamespaces = 0x7e020080;  // CLONE_NEW*
  int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, kThread | kNamespaces, kThread));
  // Its flags lie in memory, which no filter can see; the C library then asks by clone.
  failed |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  // abort() signals its own process.
  failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, static_cast<uint64_t>(::getpid())));
  return failed;
}

Status lock_calls() {
  const Filter filter(seccomp_init(SCMP_ACT_ERRNO(EPERM)), &seccomp_release);
  if (!filter) return lacks("seccomp filters", ENOMEM);
  int failed = seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  for (const int call : kAllowed) failed |= seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0);
  failed |= add_conditional(filter.get());
  if (failed != 0) return lacks("a seccomp filter of these calls", EINVAL);
  if (const int error = seccomp_load(filter.get()); error != 0)
    return lacks("seccomp filters", -error);
  return {};
}

// Gaps between the descriptors that stay are closed.
Status close_others(std::span<const int> keep) {
  std::vector<unsigned> kept = {0, 1, 2};
  for (const int descriptor : keep) kept.push_back(static_cast<unsigned>(descriptor));
  std::ranges::sort(kept);
  kept.push_back(UINT_MAX);
  for (size_t i = 1; i < kept.size(); ++i) {
    if (kept[i] <= kept[i - 1] + 1) continue;
    const unsigned last = kept[i] == UINT_MAX ? UINT_MAX : kept[i] - 1;
    if (::syscall(SYS_close_range, kept[i - 1] + 1, last, 0U) != 0)
      return lacks("close_range", errno);
  }
  return {};
}

}  // namespace

Status check_sandbox() {
  TRY(landlock_version());
  const uint32_t action = SECCOMP_RET_ERRNO;
  constexpr unsigned kGetAction = 2;  // SECCOMP_GET_ACTION_AVAIL
  if (::syscall(SYS_seccomp, kGetAction, 0U, &action) != 0) return lacks("seccomp filters", errno);
  return {};
}

Status enter_sandbox(std::span<const int> keep) {
  // These requests would be refused later: no core file, and no privileges by exec.
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return lacks("no_new_privs", errno);
  TRY(close_others(keep));
  TRY(lock_files());
  return lock_calls();
}

}  // namespace tessera::tools
