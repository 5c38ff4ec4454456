// SPDX-License-Identifier: Apache-2.0
#include "session/key_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

namespace tessera {
namespace {

// The owner before removed the file when it let go, so what was locked may be a file that nobody
// else can find any more. Only the one that stands there now counts.
bool is_file_at(int descriptor, const std::string& path) {
  struct stat held, there;
  return ::fstat(descriptor, &held) == 0 && ::lstat(path.c_str(), &there) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

// A locked descriptor; -1 with errno, which is EWOULDBLOCK if someone holds it.
int lock_once(const std::string& path) {
  for (;;) {
    const int descriptor =
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (descriptor < 0) return -1;
    if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      ::close(descriptor);
      errno = reason;
      return -1;
    }
    if (is_file_at(descriptor, path)) return descriptor;
    ::close(descriptor);
  }
}

}  // namespace

Expected<KeyLock> KeyLock::take(const std::string& path, std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  for (std::chrono::milliseconds pause{1};;
       pause = std::min(2 * pause, std::chrono::milliseconds{20})) {
    const int descriptor = lock_once(path);
    if (descriptor >= 0) return KeyLock(path, descriptor);
    if (errno != EWOULDBLOCK) return Error{path + ": cannot lock: " + std::strerror(errno)};
    if (std::chrono::steady_clock::now() >= end)
      return Error{path + ": another process holds the lock, must let go within " +
                   std::to_string(patience.count()) + " ms"};
    std::this_thread::sleep_for(pause);
  }
}

std::optional<KeyLock> KeyLock::try_take(const std::string& path) {
  const int descriptor = lock_once(path);
  if (descriptor < 0) return std::nullopt;
  return KeyLock(path, descriptor);
}

KeyLock::KeyLock(KeyLock&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

KeyLock::~KeyLock() {
  if (descriptor_ < 0) return;
  ::unlink(path_.c_str());  // while it is held: whoever waits looks whether its file still stands
  ::close(descriptor_);
}

}  // namespace tessera
