// SPDX-License-Identifier: Apache-2.0
#include "session/key_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <thread>
#include <utility>

#include "support/file.h"

namespace tessera {
namespace {

// The previous owner removed the file when it released the lock, so this process may have locked a
// file that is no longer in the folder. Only a lock of the file in the folder counts.
bool is_file_at(int descriptor, int folder, const std::string& name) {
  struct stat held, there;
  return ::fstat(descriptor, &held) == 0 &&
         ::fstatat(folder, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 &&
         held.st_dev == there.st_dev && held.st_ino == there.st_ino;
}

// A closed descriptor on failure; errno is EWOULDBLOCK then if the lock is held.
Descriptor lock_once(int folder, const std::string& name) {
  for (;;) {
    Descriptor file(::openat(folder, name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                             S_IRUSR | S_IWUSR));
    if (!file.is_open()) return Descriptor();
    if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
      const int reason = errno;
      file.close();
      errno = reason;
      return Descriptor();
    }
    if (is_file_at(file.get(), folder, name)) return file;
  }
}

// The lock may outlive the folder that it was taken in.
Descriptor copy_of(const PrivateFolder& folder) {
  return Descriptor(::fcntl(folder.descriptor(), F_DUPFD_CLOEXEC, 0));
}

}  // namespace

Expected<KeyLock> KeyLock::take(const PrivateFolder& folder, const std::string& name,
                                std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  const std::string path = folder.path_of(name);
  Descriptor copy = copy_of(folder);
  for (std::chrono::milliseconds pause{1};;
       pause = std::min(2 * pause, std::chrono::milliseconds{20})) {
    Descriptor file = lock_once(copy.get(), name);
    if (file.is_open()) return KeyLock(std::move(copy), name, std::move(file));
    if (errno != EWOULDBLOCK) return system_error(path, "cannot lock");
    if (std::chrono::steady_clock::now() >= end)
      return Error{path + ": another process holds the lock, must let go within " +
                   std::to_string(patience.count()) + " ms"};
    std::this_thread::sleep_for(pause);
  }
}

std::optional<KeyLock> KeyLock::try_take(const PrivateFolder& folder, const std::string& name) {
  Descriptor copy = copy_of(folder);
  Descriptor file = lock_once(copy.get(), name);
  if (!file.is_open()) return std::nullopt;
  return KeyLock(std::move(copy), name, std::move(file));
}

KeyLock::~KeyLock() {
  // Removed while the lock is held: a process that gets it next sees that its file is gone.
  if (file_.is_open()) ::unlinkat(folder_.get(), name_.c_str(), 0);
}

}  // namespace tessera
