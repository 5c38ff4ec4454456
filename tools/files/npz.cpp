// SPDX-License-Identifier: Apache-2.0
#include "tools/files/npz.h"

#include <fmt/format.h>
#include <zip.h>

#include <list>
#include <memory>
#include <vector>

#include "support/file.h"

namespace tessera::tools {
namespace {

constexpr int64_t kMostEntries = 1 << 20;

struct FreeSource {
  void operator()(zip_source_t* source) const { zip_source_free(source); }
};
struct DiscardArchive {
  void operator()(zip_t* archive) const { zip_discard(archive); }
};
struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};
using Source = std::unique_ptr<zip_source_t, FreeSource>;
using Archive = std::unique_ptr<zip_t, DiscardArchive>;
using Entry = std::unique_ptr<zip_file_t, CloseEntry>;

// libzip's words for what went wrong.
class ZipError {
 public:
  ZipError() { zip_error_init(&error_); }
  ~ZipError() { zip_error_fini(&error_); }
  ZipError(const ZipError&) = delete;
  zip_error_t* get() { return &error_; }
  std::string words() { return zip_error_strerror(&error_); }

 private:
  zip_error_t error_;
};

Error bad(const std::string& path, const std::string& what) {
  return Error{path + ": " + what, ErrorKind::BadFile};
}

Expected<Archive> open_archive(std::span<const std::byte> file, const std::string& path) {
  if (file.empty()) return bad(path, "is empty, must be a .npz archive");
  ZipError error;
  Source source(zip_source_buffer_create(file.data(), file.size(), 0, error.get()));
  if (!source) return Error{path + ": " + error.words()};
  Archive archive(zip_open_from_source(source.get(), ZIP_RDONLY, error.get()));
  if (!archive) return bad(path, "is not a .npz archive: " + error.words());
  (void)source.release();  // it is the archive's now
  return archive;
}

// The archive's record of entry `i`, if NumPy could have written it.
Expected<zip_stat_t> entry_of(zip_t* archive, zip_uint64_t i, const std::string& path) {
  zip_stat_t entry;
  zip_stat_init(&entry);
  if (zip_stat_index(archive, i, 0, &entry) != 0)
    return bad(path, fmt::format("entry {}: {}", i, zip_strerror(archive)));
  constexpr zip_uint64_t kNeeded =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if ((entry.valid & kNeeded) != kNeeded)
    return bad(path, fmt::format("entry {}: has no name, size or method", i));
  if (!std::string_view(entry.name).ends_with(".npy"))
    return bad(path, fmt::format("'{}' is not a .npy file, must be: an archive of numpy.savez",
                                 entry.name));
  if (entry.encryption_method != ZIP_EM_NONE)
    return bad(path, fmt::format("'{}' is encrypted, must not be", entry.name));
  if (entry.comp_method != ZIP_CM_STORE && entry.comp_method != ZIP_CM_DEFLATE)
    return bad(path, fmt::format("'{}' is packed by method {}, must be stored or deflated",
                                 entry.name, entry.comp_method));
  return entry;
}

// All bytes of an entry of which `entry` tells the size, which must be right.
Expected<std::vector<std::byte>> unpack(zip_t* archive, zip_uint64_t i, const zip_stat_t& entry,
                                        const std::string& where) {
  const Entry opened(zip_fopen_index(archive, i, 0));
  if (!opened) return bad(where, zip_strerror(archive));
  std::vector<std::byte> bytes(entry.size);
  size_t done = 0;
  for (zip_int64_t got = 1; got > 0 && done < bytes.size(); done += static_cast<size_t>(got)) {
    got = zip_fread(opened.get(), bytes.data() + done, bytes.size() - done);
    if (got < 0) return bad(where, zip_file_strerror(opened.get()));
  }
  std::byte more;
  const zip_int64_t rest = zip_fread(opened.get(), &more, 1);  // at the end the sum is compared
  if (rest < 0) return bad(where, zip_file_strerror(opened.get()));
  if (done != bytes.size() || rest != 0)
    return bad(where, fmt::format("does not unpack to the {} bytes that it claims", entry.size));
  return bytes;
}

Expected<std::string> closed(Archive archive, zip_source_t* source) {
  if (zip_close(archive.get()) != 0)
    return Error{fmt::format("an archive: cannot write: {}", zip_strerror(archive.get()))};
  (void)archive.release();
  zip_stat_t all;
  zip_stat_init(&all);
  if (zip_source_open(source) != 0 || zip_source_stat(source, &all) != 0)
    return Error{fmt::format("an archive: cannot read it back: {}",
                             zip_error_strerror(zip_source_error(source)))};
  std::string bytes(all.size, '\0');
  const zip_int64_t got = zip_source_read(source, bytes.data(), bytes.size());
  zip_source_close(source);
  if (got != static_cast<zip_int64_t>(bytes.size()))
    return Error{"an archive: cannot read it back whole"};
  return bytes;
}

}  // namespace

Expected<NpzArrays> npz_from(std::span<const std::byte> file, const std::string& path,
                             int64_t most) {
  const Archive archive = TRY(open_archive(file, path));
  const zip_int64_t count = zip_get_num_entries(archive.get(), 0);
  if (count > kMostEntries)
    return Error{fmt::format("{}: has {} entries, must have at most {}", path, count, kMostEntries),
                 ErrorKind::Refused, "limit"};
  NpzArrays arrays;
  int64_t left = most;
  for (zip_int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<zip_uint64_t>(i);
    const zip_stat_t entry = TRY(entry_of(archive.get(), index, path));
    const std::string name = entry.name, where = path + "/" + name;
    if (entry.size > static_cast<zip_uint64_t>(left))
      return Error{fmt::format("{}: its entries are of more than {} bytes, must be of at most that "
                               "(--limit memory)",
                               path, most),
                   ErrorKind::Refused, "limit"};
    left -= static_cast<int64_t>(entry.size);
    const std::vector<std::byte> bytes = TRY(unpack(archive.get(), index, entry, where));
    if (!arrays.emplace(name, TRY(npy_from(bytes, where, most))).second)
      return bad(path, fmt::format("holds '{}' twice, must hold it once", name));
  }
  return arrays;
}

Expected<NpzArrays> read_npz(const std::string& path, int64_t most) {
  const auto file = TRY(MappedFile::open(path));
  NpzArrays arrays = TRY(npz_from(file->bytes(), path, most));
  TRY(file->check());
  return arrays;
}

Expected<std::string> npz_of(const NpzArrays& arrays) {
  // libzip writes no file at all where there is no entry: this is the end of a directory of none.
  if (arrays.empty()) return "PK\5\6" + std::string(18, '\0');
  ZipError error;
  const Source target(zip_source_buffer_create(nullptr, 0, 0, error.get()));
  if (!target) return Error{"an archive: " + error.words()};
  zip_source_keep(target.get());  // one count is the archive's, one is ours
  Archive archive(zip_open_from_source(target.get(), ZIP_CREATE | ZIP_TRUNCATE, error.get()));
  if (!archive) {
    zip_source_free(target.get());
    return Error{"an archive: " + error.words()};
  }
  std::list<std::string> members;  // libzip reads them when it closes the archive
  for (const auto& [name, array] : arrays) {
    std::string& member = members.emplace_back(npy_header(array));
    member.append(reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size());
    Source source(zip_source_buffer(archive.get(), member.data(), member.size(), 0));
    const zip_int64_t index =
        source ? zip_file_add(archive.get(), name.c_str(), source.get(), ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) return Error{fmt::format("{}: {}", name, zip_strerror(archive.get()))};
    (void)source.release();
    const auto place = static_cast<zip_uint64_t>(index);
    constexpr zip_uint16_t kFirstDay = (1 << 5) | 1;  // 1980-01-01, as numpy.savez has it
    if (zip_set_file_compression(archive.get(), place, ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(archive.get(), place, 0, kFirstDay, 0) != 0)
      return Error{fmt::format("{}: {}", name, zip_strerror(archive.get()))};
  }
  return closed(std::move(archive), target.get());
}

}  // namespace tessera::tools
