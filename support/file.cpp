// SPDX-License-Identifier: Apache-2.0
#include "support/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>

namespace tessera {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() { close(); }
  Descriptor(const Descriptor&) = delete;
  int get() const { return number_; }
  bool close() {
    const int number = std::exchange(number_, -1);
    return number < 0 || ::close(number) == 0;
  }

 private:
  int number_;
};

Error system_error(const std::string& path, const char* doing) {
  return Error{path + ": " + doing + ": " + std::strerror(errno)};
}

Status write_all(int descriptor, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
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

// A rename lives in the folder, so the folder is synced too. Some file systems cannot do that, and
// then there is nothing more to be had.
void sync_folder_of(const std::string& path) {
  std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (folder.empty()) folder = ".";
  Descriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (descriptor.get() >= 0) ::fsync(descriptor.get());
}

std::string temporary_name(const std::string& path) {
  static std::atomic<uint64_t> next = 0;
  return path + ".tmp." + std::to_string(::getpid()) + "." + std::to_string(next++);
}

}  // namespace

Expected<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string& path) {
  // Without waiting: a pipe is refused, not waited for.
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) return system_error(path, "cannot open");
  return map(descriptor.get(), path);
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
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::MappedFile(std::string path, const std::byte* data, size_t size)
    : path_(std::move(path)), data_(data), size_(size) {
  if (size > 0) watched_.emplace(data, size);
}

Expected<std::shared_ptr<const MappedFile>> MappedFile::copy(const std::string& path,
                                                             size_t limit) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (descriptor.get() < 0) return system_error(path, "cannot open");
  struct stat status;
  if (::fstat(descriptor.get(), &status) != 0) return system_error(path, "cannot open");
  if (!S_ISREG(status.st_mode)) return Error{path + ": is not a regular file"};
  const auto size = static_cast<size_t>(status.st_size);
  if (size > limit)
    return Error{path + ": is larger than " + std::to_string(limit) +
                 " bytes, which is the most that is copied here"};
  std::byte* data = nullptr;
  if (size > 0) data = map_between_guards(-1, size);
  if (data == MAP_FAILED) return system_error(path, "cannot copy");
  std::shared_ptr<const MappedFile> file(new MappedFile(path, data, size));
  for (size_t at = 0; at < size;) {
    const ssize_t got = ::read(descriptor.get(), data + at, size - at);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "cannot read");
    if (got == 0) return Error{path + ": became shorter while it was read"};
    at += static_cast<size_t>(got);
  }
  if (size > 0) ::mprotect(data, size, PROT_READ);
  return file;
}

MappedFile::~MappedFile() {
  watched_.reset();
  if (size_ == 0) return;
  ::munmap(const_cast<std::byte*>(data_) - page_bytes(), whole_pages(size_) + 2 * page_bytes());
}

Status MappedFile::check() const {
  if (is_whole(bytes())) return {};
  return Error{path_ + ": was cut off while it was read, must stay as it is until then",
               ErrorKind::BadFile};
}

Expected<std::string> read_text_file(const std::string& path, size_t limit) {
  Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.get() < 0) return system_error(path, "cannot open");
  std::string text;
  char part[1 << 16];
  while (true) {
    const ssize_t got = ::read(descriptor.get(), part, sizeof part);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return system_error(path, "cannot read");
    if (got == 0) return text;
    if (static_cast<size_t>(got) > limit - text.size())
      return Error{path + ": is larger than " + std::to_string(limit) +
                   " bytes, which is the most that is read here"};
    text.append(part, static_cast<size_t>(got));
  }
}

Status write_file_atomic(const std::string& path, const std::function<Status(const Sink&)>& write,
                         Sync sync) {
  std::error_code ignored;
  const auto there = std::filesystem::status(path, ignored);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there))
    return Error{path + ": is not a regular file, which it must be to be replaced"};

  const std::string temporary = temporary_name(path);
  Descriptor descriptor(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (descriptor.get() < 0) return system_error(path, "cannot create");
  const auto store = [&]() -> Status {
    TRY(write([&](std::span<const std::byte> bytes) {
      return write_all(descriptor.get(), bytes, path);
    }));
    if (sync == Sync::Yes && ::fsync(descriptor.get()) != 0)
      return system_error(path, "cannot write");
    if (!descriptor.close()) return system_error(path, "cannot write");
    if (::rename(temporary.c_str(), path.c_str()) != 0) return system_error(path, "cannot replace");
    return {};
  };
  Status stored = store();
  if (!stored.ok()) ::unlink(temporary.c_str());
  if (stored.ok() && sync == Sync::Yes) sync_folder_of(path);
  return stored;
}

Status write_file_atomic(const std::string& path, std::string_view text, Sync sync) {
  return write_file_atomic(
      path, [&](const Sink& sink) { return sink(std::as_bytes(std::span(text))); }, sync);
}

Status append_line(const std::string& path, std::string_view line) {
  Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (descriptor.get() < 0) return system_error(path, "cannot open");
  const std::string whole = std::string(line) + "\n";
  TRY(write_all(descriptor.get(), std::as_bytes(std::span(whole)), path));
  if (!descriptor.close()) return system_error(path, "cannot write");
  return {};
}

}  // namespace tessera
