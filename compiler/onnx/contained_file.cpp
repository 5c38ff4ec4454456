// SPDX-License-Identifier: Apache-2.0
#include "compiler/onnx/contained_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <deque>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "support/file.h"

namespace tessera {
namespace fs = std::filesystem;
namespace {

constexpr int kFolder = O_PATH | O_DIRECTORY | O_CLOEXEC;

// A file or folder by its number on disk.
using Id = std::pair<dev_t, ino_t>;

std::optional<Id> id_of(const Descriptor& at) {
  struct stat status;
  if (!at.is_open() || ::fstat(at.get(), &status) != 0) return {};
  return Id{status.st_dev, status.st_ino};
}

// The folder blobs/ of the cache in which `folder` is a snapshot, or "".
std::string cache_blobs(const std::string& folder) {
  std::error_code ignored;
  fs::path at = fs::absolute(folder, ignored).lexically_normal();
  for (; at.has_relative_path(); at = at.parent_path())
    if (at.filename() == "snapshots") return at.parent_path() / "blobs";
  return "";
}

struct Root {
  std::string path;
  Id id;
};

std::vector<Root> roots_of(const std::string& folder, const std::vector<std::string>& trusted) {
  std::vector<Root> roots;
  const auto add = [&](const std::string& path, int flags) {
    const Descriptor at(::open(path.c_str(), kFolder | flags));
    if (const std::optional<Id> id = id_of(at)) roots.push_back({path, *id});
  };
  add(folder, 0);
  // Nobody has named this one: it must be a folder itself.
  if (const std::string blobs = cache_blobs(folder); !blobs.empty()) add(blobs, O_NOFOLLOW);
  for (const std::string& path : trusted) add(path, 0);
  return roots;
}

// Where a walk along a path is: in a folder, with parts of the path before it.
class Walk {
 public:
  Walk(const std::string& folder, const std::string& path) : at_(::open(folder.c_str(), kFolder)) {
    push(path);
  }

  // The file at the end, opened; not open, with errno, where there is none.
  Descriptor open_end() {
    constexpr int kMostLinks = 40;
    for (int links = 0; at_.is_open() && !left_.empty();) {
      const std::string part = left_.front();
      left_.pop_front();
      char target[PATH_MAX];
      const ssize_t size = ::readlinkat(at_.get(), part.c_str(), target, sizeof target);
      if (size >= 0) {
        if (++links > kMostLinks || size == sizeof target) return failed(ELOOP);
        follow({target, static_cast<size_t>(size)});
        continue;
      }
      if (errno != EINVAL) return failed(errno);  // EINVAL: it is not a link
      if (left_.empty())
        return Descriptor(
            ::openat(at_.get(), part.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
      at_.reset(::openat(at_.get(), part.c_str(), kFolder | O_NOFOLLOW));
    }
    return failed(at_.is_open() ? EISDIR : errno);
  }

  // Whether the folder that the file was opened in is one of these or below one.
  bool is_inside(const std::vector<Root>& roots) {
    std::optional<Id> id = id_of(at_);
    while (id) {
      if (std::ranges::find(roots, *id, &Root::id) != roots.end()) return true;
      at_.reset(::openat(at_.get(), "..", kFolder));
      const std::optional<Id> above = id_of(at_);
      if (above == id) return false;
      id = above;
    }
    return false;
  }

 private:
  static Descriptor failed(int problem) {
    errno = problem;
    return Descriptor();
  }

  void push(const std::string& path) {
    std::vector<std::string> parts;
    for (size_t begin = 0; begin <= path.size();) {
      const size_t end = std::min(path.find('/', begin), path.size());
      const std::string part = path.substr(begin, end - begin);
      if (!part.empty() && part != ".") parts.push_back(part);
      begin = end + 1;
    }
    left_.insert(left_.begin(), parts.begin(), parts.end());
  }

  void follow(const std::string& target) {
    if (target.starts_with('/')) at_.reset(::open("/", kFolder));
    push(target);
  }

  Descriptor at_;
  std::deque<std::string> left_;
};

// How many of a file's names lie in these folders.
size_t names_inside(const Id& file, const std::vector<Root>& roots) {
  constexpr int kMostEntries = 1'000'000;
  std::set<fs::path> names;
  int entries = 0;
  std::error_code error;
  for (const Root& root : roots) {
    const fs::path path = fs::canonical(root.path, error);
    fs::recursive_directory_iterator at(path, fs::directory_options::skip_permission_denied, error);
    for (; !error && at != fs::recursive_directory_iterator() && ++entries <= kMostEntries;
         at.increment(error)) {
      struct stat status;
      if (::lstat(at->path().c_str(), &status) == 0 && Id{status.st_dev, status.st_ino} == file)
        names.insert(at->path());
    }
  }
  return names.size();
}

}  // namespace

Expected<Descriptor> open_contained(const std::string& folder, const std::string& path,
                                    const std::vector<std::string>& trusted,
                                    const std::string& called) {
  Walk walk(folder, path);
  Descriptor file = walk.open_end();
  if (!file.is_open()) return system_error(called, "cannot open");
  const std::vector<Root> roots = roots_of(folder, trusted);
  if (!walk.is_inside(roots))
    return Error{called +
                     ": is a link out of the model's folder, must lead to a file in it or in a "
                     "folder that --trust_folder names",
                 ErrorKind::BadFile};
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return system_error(called, "cannot open");
  if (!S_ISREG(status.st_mode) || status.st_nlink == 1) return file;
  const size_t inside = names_inside({status.st_dev, status.st_ino}, roots);
  if (inside == status.st_nlink) return file;
  return Error{fmt::format("{}: has {} names (hard links), {} of them in the model's folder, must "
                           "have all there or in folders that --trust_folder names",
                           called, status.st_nlink, inside),
               ErrorKind::BadFile};
}

}  // namespace tessera
