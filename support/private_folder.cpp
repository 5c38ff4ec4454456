// SPDX-License-Identifier: Apache-2.0
#include "support/private_folder.h"

#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <tuple>

#include "support/file.h"
#include "support/own_group.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// "" if it belongs to this user and nobody else can write to it; else what is wrong.
std::string distrust(int descriptor, const struct stat& status) {
  if (status.st_uid != ::geteuid())
    return "is of user " + std::to_string(status.st_uid) + ", must be of user " +
           std::to_string(::geteuid()) + ", who reads it";
  if (!only_owner_writes(descriptor, status)) return "can be written to by others, must not";
  return "";
}

// A process that can write to a folder can replace what it holds.
std::string distrust_above(int descriptor, const struct stat& status) {
  if (status.st_uid != ::geteuid() && status.st_uid != 0)
    return "is of user " + std::to_string(status.st_uid) + ", must be of user " +
           std::to_string(::geteuid()) + " or root to have a cache below it";
  if (!(status.st_mode & S_ISVTX) && !only_owner_writes(descriptor, status))
    return "can be written to by others, must not to have a cache below it";
  return "";
}

// The folder `name` in `folder`; links are not followed.
Expected<Descriptor> enter(int folder, const std::string& name, const std::string& path,
                           bool make) {
  if (make && ::mkdirat(folder, name.c_str(), S_IRWXU) != 0 && errno != EEXIST)
    return system_error(path, "cannot create");
  Descriptor inner(::openat(folder, name.c_str(), kFolder));
  if (inner.is_open()) return inner;
  if (errno == ELOOP || errno == ENOTDIR)
    return Error{path + ": is not a folder, must be one and not a link", ErrorKind::BadFile};
  return system_error(path, "cannot open");
}

Status check(int descriptor, const std::string& path,
             const std::function<std::string(int, const struct stat&)>& distrust_it) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0) return system_error(path, "cannot be looked at");
  const std::string wrong = distrust_it(descriptor, status);
  if (wrong.empty()) return {};
  return Error{path + ": " + wrong, ErrorKind::BadFile};
}

// All folders from the root to this one, each opened in the one before. Those that are there are
// checked before the first that is missing is made.
Expected<Descriptor> walk(const fs::path& path) {
  Descriptor at(::open("/", kFolder));
  if (!at.is_open()) return system_error("/", "cannot open");
  fs::path so_far = "/";
  TRY(check(at.get(), so_far, distrust_above));
  for (const fs::path& part : path.relative_path()) {
    so_far /= part;
    struct stat status;
    const bool missing = ::fstatat(at.get(), part.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0;
    // One that may not be listed can be passed through all the same.
    Descriptor next(missing ? -1
                            : ::openat(at.get(), part.c_str(), O_PATH | (kFolder & ~O_RDONLY)));
    if (!next.is_open()) next = TRY(enter(at.get(), part, so_far, missing));
    TRY(check(next.get(), so_far, distrust_above));
    at = std::move(next);
  }
  return at;
}

void each_name(int folder, const std::function<void(const char*)>& call) {
  const int again = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = again < 0 ? nullptr : ::fdopendir(again);
  if (listing == nullptr) {
    if (again >= 0) ::close(again);
    return;
  }
  while (const dirent* entry = ::readdir(listing))
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0)
      call(entry->d_name);
  ::closedir(listing);
}

void remove_tree(int folder, const char* name) {
  if (::unlinkat(folder, name, 0) == 0 || (errno != EISDIR && errno != EPERM)) return;
  const Descriptor inner(::openat(folder, name, kFolder));
  if (!inner.is_open()) return;
  std::vector<std::string> names;
  each_name(inner.get(), [&](const char* one) { names.push_back(one); });
  for (const std::string& one : names) remove_tree(inner.get(), one.c_str());
  ::unlinkat(folder, name, AT_REMOVEDIR);
}

int64_t bytes_of(int folder, const char* name, const struct stat& status) {
  if (!S_ISDIR(status.st_mode)) return status.st_size;
  int64_t bytes = 0;
  const Descriptor inner(::openat(folder, name, kFolder));
  if (!inner.is_open()) return 0;
  each_name(inner.get(), [&](const char* one) {
    struct stat file;
    if (::fstatat(inner.get(), one, &file, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(file.st_mode))
      bytes += file.st_size;
  });
  return bytes;
}

}  // namespace

Expected<PrivateFolder> PrivateFolder::open(const std::string& path) {
  std::error_code problem;
  fs::path whole = fs::absolute(path, problem).lexically_normal();
  if (!whole.has_filename()) whole = whole.parent_path();  // "cache/"
  const fs::path parent = problem ? fs::path() : fs::weakly_canonical(whole.parent_path(), problem);
  if (problem) return Error{path + ": cannot open: " + problem.message()};
  const Descriptor above = TRY(walk(parent));
  PrivateFolder folder(path, TRY(enter(above.get(), whole.filename(), path, true)));
  TRY(check(folder.descriptor(), path, distrust));
  return folder;
}

Expected<PrivateFolder> PrivateFolder::make(const std::string& name) const {
  PrivateFolder inner(path_of(name), TRY(enter(descriptor(), name, path_of(name), true)));
  TRY(check(inner.descriptor(), inner.path(), distrust));
  return inner;
}

Expected<PrivateFolder> PrivateFolder::existing(const std::string& name) const {
  PrivateFolder inner(path_of(name), TRY(enter(descriptor(), name, path_of(name), false)));
  TRY(check(inner.descriptor(), inner.path(), distrust));
  return inner;
}

bool PrivateFolder::has(const std::string& name) const {
  struct stat status;
  return ::fstatat(descriptor(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
}

bool PrivateFolder::holds(const std::string& name, const PrivateFolder& inner) const {
  struct stat now, opened;
  return ::fstatat(descriptor(), name.c_str(), &now, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstat(inner.descriptor(), &opened) == 0 && now.st_dev == opened.st_dev &&
         now.st_ino == opened.st_ino;
}

Expected<Descriptor> PrivateFolder::open_file(const std::string& name) const {
  const std::string path = path_of(name);
  Descriptor file(
      ::openat(descriptor(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open() && errno != ELOOP) return system_error(path, "cannot open");
  struct stat status = {};
  if (file.is_open() && ::fstat(file.get(), &status) != 0)
    return system_error(path, "cannot be looked at");
  if (!file.is_open() || !S_ISREG(status.st_mode))
    return Error{path + ": is not a plain file, must be one and not a link", ErrorKind::BadFile};
  if (const std::string wrong = distrust(file.get(), status); !wrong.empty())
    return Error{path + ": " + wrong, ErrorKind::BadFile};
  return file;
}

bool PrivateFolder::move(const std::string& name, const PrivateFolder& to,
                         const std::string& as) const {
  return ::renameat(descriptor(), name.c_str(), to.descriptor(), as.c_str()) == 0;
}

void PrivateFolder::remove(const std::string& name) const {
  remove_tree(descriptor(), name.c_str());
}

std::vector<PrivateFolder::Entry> PrivateFolder::by_age() const {
  std::vector<Entry> all;
  each_name(descriptor(), [&](const char* name) {
    struct stat status;
    if (name[0] == '.' || ::fstatat(descriptor(), name, &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    all.push_back({name, status.st_mtim, bytes_of(descriptor(), name, status)});
  });
  std::ranges::sort(all, [](const Entry& a, const Entry& b) {
    return std::tie(a.used.tv_sec, a.used.tv_nsec, a.name) <
           std::tie(b.used.tv_sec, b.used.tv_nsec, b.name);
  });
  return all;
}

}  // namespace tessera
