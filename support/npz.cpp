// SPDX-License-Identifier: Apache-2.0
// A ZIP archive is read from its end (APPNOTE 4.3): the last record says where the directory of
// entries lies, each of these where its file begins. A file has a header of its own in front, whose
// name and extra field are jumped over.
#include "support/npz.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "support/file.h"
#include "support/le.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr uint32_t kEndSignature = 0x06054b50, kEntrySignature = 0x02014b50,
                   kFileSignature = 0x04034b50;
constexpr size_t kMostComment = 0xffff;

struct EndRecord {
  Le<uint32_t> signature;
  Le<uint16_t> disk, directory_disk, entries_here, entries;
  Le<uint32_t> directory_bytes, directory_at;
  Le<uint16_t> comment;
};
static_assert(sizeof(EndRecord) == 22);

struct EntryRecord {
  Le<uint32_t> signature;
  Le<uint16_t> made_by, needs, flags, method, time, date;
  Le<uint32_t> crc, stored_bytes, bytes;
  Le<uint16_t> name, extra, comment, disk, internal;
  Le<uint32_t> external, file_at;
};
static_assert(sizeof(EntryRecord) == 46);

struct FileRecord {
  Le<uint32_t> signature;
  Le<uint16_t> needs, flags, method, time, date;
  Le<uint32_t> crc, stored_bytes, bytes;
  Le<uint16_t> name, extra;
};
static_assert(sizeof(FileRecord) == 30);

using Content = std::span<const std::byte>;

template <class Record>
std::optional<Record> record_at(Content file, size_t at, uint32_t signature) {
  Record record;
  if (at > file.size() || file.size() - at < sizeof record) return {};
  std::memcpy(&record, file.data() + at, sizeof record);
  if (record.signature != signature) return {};
  return record;
}

// `size` bytes from `at` on, if the file has them.
std::optional<Content> part(Content file, size_t at, size_t size) {
  if (at > file.size() || size > file.size() - at) return {};
  return file.subspan(at, size);
}

// The last record that may be one.
std::optional<EndRecord> end_of(Content file) {
  if (file.size() < sizeof(EndRecord)) return {};
  const size_t last = file.size() - sizeof(EndRecord);
  const size_t first = last - std::min(last, kMostComment);
  for (size_t at = last + 1; at-- > first;)
    if (auto end = record_at<EndRecord>(file, at, kEndSignature)) return end;
  return {};
}

Error bad_archive(const std::string& path, const std::string& what) {
  return Error{path + ": " + what, ErrorKind::BadFile};
}

struct Stored {
  std::string name;
  Content content;
};

// The entry at `at`, which becomes where the next one begins.
Expected<Stored> read_entry(Content file, size_t& at, const std::string& path) {
  const auto entry = record_at<EntryRecord>(file, at, kEntrySignature);
  const auto name = entry ? part(file, at + sizeof(EntryRecord), entry->name) : std::nullopt;
  if (!name) return bad_archive(path, "its directory is damaged");
  Stored stored{std::string(reinterpret_cast<const char*>(name->data()), name->size()), {}};
  at += sizeof(EntryRecord) + entry->name + entry->extra + entry->comment;
  const std::string where = path + ": '" + visible(stored.name) + "'";
  if (entry->method != 0 || (entry->flags & 1) != 0)
    return bad_archive(where,
                       "is compressed or encrypted, must be stored: write the file with "
                       "numpy.savez, not with savez_compressed");
  const auto header = record_at<FileRecord>(file, entry->file_at, kFileSignature);
  const auto content =
      header ? part(file, entry->file_at + sizeof(FileRecord) + header->name + header->extra,
                    entry->bytes)
             : std::nullopt;
  if (!content) return bad_archive(where, "lies outside the file");
  stored.content = *content;
  return stored;
}

}  // namespace

Expected<std::map<std::string, NpyArray>> read_npz(const std::string& path, int64_t most) {
  const auto mapped = TRY(MappedFile::open(path));
  const Content file = mapped->bytes();
  const auto end = end_of(file);
  if (!end) return bad_archive(path, "is not a .npz file: it must be a ZIP archive");
  if (end->entries == 0xffff || end->directory_at == 0xffffffff)
    return bad_archive(path, "is a ZIP64 archive, must be smaller than 4 GiB");
  std::map<std::string, NpyArray> arrays;
  size_t at = end->directory_at;
  for (int i = 0; i < end->entries; ++i) {
    const Stored stored = TRY(read_entry(file, at, path));
    std::string name = stored.name;
    if (name.ends_with(".npy")) name.resize(name.size() - 4);
    NpyArray array =
        TRY(parse_npy(stored.content, path + ": '" + visible(stored.name) + "'", most));
    most -= std::ssize(array.bytes);
    if (!arrays.emplace(std::move(name), std::move(array)).second)
      return bad_archive(path, "'" + visible(stored.name) + "' is there twice");
  }
  TRY(mapped->check());
  return arrays;
}

}  // namespace tessera
