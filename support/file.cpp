// SPDX-License-Identifier: Apache-2.0
#include "support/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <utility>

#include "support/descriptor.h"
#include "support/temporary.h"

namespace tessera {

Error system_error(const std::string& path, const char* doing) {
  return Error{path + ": " + doing + ": " + std::strerror(errno), ErrorKind::Failed,
               errno == ENOENT ? kNoSuchFile : std::string_view()};
}

namespace {

// Where a mapped file has become shorter, the system finds nothing to write, and raises no fault.
Error source_cut_off(const std::string& path) {
  return Error{path +
                   ": is not written, as a file that its bytes come from was cut off while it "
                   "was read, must stay as it is until then",
               ErrorKind::BadFile};
}

Status write_all(int descriptor, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EFAULT) return source_cut_off(path);
    if (written < 0) return system_error(path, "cannot write");
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return {};
}

size_t page_bytes() { return static_cast<size_t>(::sysconf(_SC_PAGESIZE)); }

size_t whole_pages(size_t bytes) {
  return (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
}

// The file, to be read, or without one (-1) memory to be written. MAP_FAILED with errno where that
// cannot be.
std::byte* map_between_guards(int descriptor, size_t size) {
  const size_t all = whole_pages(size) + 2 * page_bytes();
  void* const place =
      ::mmap(nullptr, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (place == MAP_FAILED) return static_cast<std::byte*>(place);
  std::byte* const data = static_cast<std::byte*>(place) + page_bytes();
  const bool file = descriptor >= 0;
  if (::mmap(data, size, file ? PROT_READ : PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_FIXED | (file ? 0 : MAP_ANONYMOUS), descriptor, 0) != MAP_FAILED)
    return data;
  const int reason = errno;
  ::munmap(place, all);
  errno = reason;
  return static_cast<std::byte*>(MAP_FAILED);
}

// Without waiting: opening a pipe that nobody writes to would, for ever, and so would reading a
// terminal or a device that never ends.
Expected<Descriptor> open_regular(const std::string& path) {
  Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open()) return system_error(path, "cannot open");
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return system_error(path, "cannot open");
  if (!S_ISREG(status.st_mode)) return Error{path + ": is not a regular file"};
  return file;
}

// Folder and name of a path.
std::pair<std::string, std::string> split(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {".", path};
  return {slash == 0 ? "/" : path.substr(0, slash), path.substr(slash + 1)};
}

// A rename lives in the folder, so the folder is synced too. Some file systems cannot do that, and
// then there is nothing more to be had.
void sync_folder(int folder) {
  const Descriptor again(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (again.is_open()) ::fsync(again.get());
}

// Writers of one log lock it, so that nobody sees the line of another half written. One that
// does not let go, as only a stranger would, is not waited for.
void lock_for_line(int file) {
  constexpr int kMostTries = 200;
  for (int i = 0; i < kMostTries && ::flock(file, LOCK_EX | LOCK_NB) != 0; ++i) {
    if (errno != EWOULDBLOCK && errno != EINTR) return;
    ::usleep(1000);
  }
}

// Whether the file ends within a line: its writer was killed, or the disk was full. A log that this
// user may not read is taken as whole.
bool is_torn(int file, const std::string& path) {
  struct stat written, read;
  if (::fstat(file, &written) != 0 || !S_ISREG(written.st_mode) || written.st_size == 0)
    return false;
  const Descriptor again(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!again.is_open() || ::fstat(again.get(), &read) != 0) return false;
  if (read.st_dev != written.st_dev || read.st_ino != written.st_ino) return false;
  char last = '\n';
  return ::pread(again.get(), &last, 1, written.st_size - 1) == 1 && last != '\n';
}

// A pipe without a reader is an error, not a wait.
Expected<Descriptor> open_to_append(const std::string& path) {
  Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666));
  if (!file.is_open()) return system_error(path, "cannot open");
  return file;
}

// The path of an open file; empty where the system does not tell.
std::string place_of(int descriptor) {
  char place[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(descriptor);
  const ssize_t size = ::readlink(link.c_str(), place, sizeof place);
  const bool whole = size > 0 && static_cast<size_t>(size) < sizeof place;
  return whole ? std::string(place, static_cast<size_t>(size)) : "";
}

}  // namespace

Expected<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  const Descriptor file = TRY(open_regular(path));
  return map(file.get(), path);
}

Expected<std::shared_ptr<const MappedFile>> MappedFile::map(int descriptor,
                                                            const std::string& path) {
  struct stat status;
  if (::fstat(descriptor, &status) != 0) return system_error(path, "cannot open");
  if (!S_ISREG(status.st_mode)) return Error{path + ": is not a regular file"};
  const auto size = static_cast<size_t>(status.st_size);
  std::byte* data = nullptr;  // an empty file cannot be mapped, and need not be
  if (size > 0) data = map_between_guards(descriptor, size);
  if (data == MAP_FAILED) return system_error(path, "cannot map");
  std::shared_ptr<MappedFile> file(new MappedFile(path, data, size));
  if (size > 0)
    file->watched_.emplace(data, size, place_of(descriptor), status.st_dev, status.st_ino);
  return std::shared_ptr<const MappedFile>(std::move(file));
}

MappedFile::MappedFile(std::string path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {}

Expected<std::shared_ptr<const MappedFile>> MappedFile::copy(const std::string& path,
                                                             size_t limit) {
  const Descriptor file = TRY(open_regular(path));
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return system_error(path, "cannot open");
  const auto size = static_cast<size_t>(status.st_size);
  if (size > limit)
    return Error{path + ": is larger than " + std::to_string(limit) +
                 " bytes, which is the most that is copied here"};
  std::byte* data = nullptr;
  if (size > 0) data = map_between_guards(-1, size);
  if (data == MAP_FAILED) return system_error(path, "cannot copy");
  std::shared_ptr<const MappedFile> copied(new MappedFile(path, data, size));
  for (size_t at = 0; at < size;) {
    const ssize_t got = ::read(file.get(), data + at, size - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "cannot read");
    if (got == 0) return Error{path + ": became shorter while it was read"};
    at += static_cast<size_t>(got);
  }
  if (size > 0) ::mprotect(data, size, PROT_READ);
  return copied;
}

MappedFile::~MappedFile() {
  watched_.reset();
  if (size_ == 0) return;
  ::munmap(const_cast<std::byte*>(data_) - page_bytes(), whole_pages(size_) + 2 * page_bytes());
}

Status MappedFile::check() const {
  if (watched_) watched_->look_at_length();
  if (is_whole(bytes())) return {};
  return Error{path_ + ": was cut off while it was read, must stay as it is until then",
               ErrorKind::BadFile};
}

Expected<std::string> read_text_file(const std::string& path, size_t limit) {
  const Descriptor file = TRY(open_regular(path));
  return read_text(file.get(), path, limit);
}

Expected<std::string> read_text(int descriptor, const std::string& path, size_t limit) {
  std::string text;
  char part[1 << 16];
  while (true) {
    const ssize_t got = ::read(descriptor, part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "cannot read");
    if (got == 0) return text;
    if (static_cast<size_t>(got) > limit - text.size())
      return Error{path + ": is larger than " + std::to_string(limit) +
                   " bytes, which is the most that is read here"};
    text.append(part, static_cast<size_t>(got));
  }
}

Status write_file_atomic_in(int folder, const std::string& name, const std::string& path,
                            const WriteContent& write, Sync sync, mode_t mode) {
  struct stat there;
  if (::fstatat(folder, name.c_str(), &there, 0) == 0 && !S_ISREG(there.st_mode))
    return Error{path + ": is not a regular file, which it must be to be replaced"};
  if (name.empty() || name.size() > NAME_MAX) {
    errno = name.empty() ? ENOENT : ENAMETOOLONG;
    return system_error(path, "cannot create");
  }
  std::optional<Temporary> temporary = Temporary::create(folder, mode);
  if (!temporary) return system_error(path, "cannot create");
  TRY(write([&](std::span<const std::byte> bytes) {
    return write_all(temporary->descriptor(), bytes, path);
  }));
  if (sync == Sync::Yes && ::fsync(temporary->descriptor()) != 0)
    return system_error(path, "cannot write");
  if (!temporary->rename_to(name)) return system_error(path, "cannot replace");
  if (sync == Sync::Yes) sync_folder(folder);
  return {};
}

Status write_file_atomic(const std::string& path, const WriteContent& write, Sync sync) {
  const auto [parent, name] = split(path);
  const Descriptor folder(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return system_error(path, "cannot create");
  return write_file_atomic_in(folder.get(), name, path, write, sync, 0666);
}

Status write_file_atomic(const std::string& path, std::string_view text, Sync sync) {
  return write_file_atomic(
      path, [&](const Sink& sink) { return sink(std::as_bytes(std::span(text))); }, sync);
}

Expected<GrowingFile> GrowingFile::create(const std::string& path) {
  Descriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666));
  if (!file.is_open()) return system_error(path, "cannot create");
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return system_error(path, "cannot create");
  if (!S_ISREG(status.st_mode)) return Error{path + ": is not a regular file, must be one or new"};
  return GrowingFile(path, std::move(file));
}

void GrowingFile::write(std::string_view text) {
  constexpr size_t kAtOnce = size_t{1} << 16;
  waiting_ += text;
  if (waiting_.size() >= kAtOnce) flush();
}

void GrowingFile::flush() {
  if (status_.ok()) status_ = write_all(file_.get(), std::as_bytes(std::span(waiting_)), path_);
  waiting_.clear();
}

Status GrowingFile::close() {
  flush();
  if (!file_.close() && status_.ok()) status_ = system_error(path_, "cannot write");
  return status_;
}

Status check_appendable(const std::string& path) {
  TRY(open_to_append(path));
  return {};
}

Status append_line(const std::string& path, std::string_view line) {
  Descriptor file = TRY(open_to_append(path));
  lock_for_line(file.get());
  const std::string whole = (is_torn(file.get(), path) ? "\n" : "") + std::string(line) + "\n";
  TRY(write_all(file.get(), std::as_bytes(std::span(whole)), path));
  if (!file.close()) return system_error(path, "cannot write");
  return {};
}

}  // namespace tessera
