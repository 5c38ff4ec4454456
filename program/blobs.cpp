// SPDX-License-Identifier: Apache-2.0
#include "program/blobs.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <numeric>
#include <thread>

#include "program/bounds.h"
#include "program/popef.h"
#include "support/guard.h"
#include "support/plain_text.h"

namespace tessera {
namespace {

constexpr size_t kMaxNameBytes = 4096;
constexpr size_t kMaxBlobs = kMaxVariables + 3;  // the Program, its metadata, its report

uint64_t align(uint64_t bytes) {
  return (bytes + kBlobAlignment - 1) / kBlobAlignment * kBlobAlignment;
}

std::span<const std::byte> link_bytes(const BlobHeader& header) {
  return std::as_bytes(std::span(&header, 1)).first(offsetof(BlobHeader, header_sha256));
}

Sha256 link(const Sha256& before, const BlobHeader& header, std::string_view name) {
  Sha256Stream stream;
  stream.add(before);
  stream.add(link_bytes(header));
  stream.add(std::as_bytes(std::span(name)));
  return stream.finish();
}

// Hashes all contents on two threads: the largest first, so that neither waits long for the other.
std::vector<Sha256> hash_contents(const std::vector<BlobView>& blobs) {
  std::vector<size_t> order(blobs.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return blobs[a].content.size() > blobs[b].content.size();
  });
  std::vector<Sha256> digests(blobs.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < order.size(); i = next++)
      digests[order[i]] = sha256(blobs[order[i]].content);
  };
  size_t bytes = 0;
  for (const BlobView& blob : blobs) bytes += blob.content.size();
  Expected<std::thread> helper = Error{"not worth it"};
  if (bytes > size_t{1} << 20) helper = start_thread("hash", work);
  work();
  if (helper) helper->join();
  return digests;
}

BlobHeader header_of(const BlobView& blob, size_t index, size_t count) {
  BlobHeader header{};
  std::memcpy(header.magic, kBlobMagic.data(), sizeof header.magic);
  std::memcpy(header.version, kPopefVersion.data(), kPopefVersion.size());
  header.type = static_cast<uint32_t>(blob.type);
  header.index = static_cast<uint32_t>(index);
  header.count = static_cast<uint32_t>(count);
  header.name_bytes = static_cast<uint32_t>(blob.name.size());
  header.content_bytes = blob.content.size();
  header.total_bytes = align(align(sizeof header + blob.name.size()) + blob.content.size());
  header.content_sha256 = blob.content_sha256;
  return header;
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Reads blob after blob; a size is used only once it is known to lie in the file.
class Walker {
 public:
  explicit Walker(std::span<const std::byte> file) : rest_(file) {}

  Expected<BlobFile> run() {
    size_t count = 1;  // until the first header says
    for (size_t i = 0; i < count; ++i) {
      auto blob = next(i, count);
      if (!blob.ok()) return in_blob(i, blob.error());
      file_.blobs.push_back(blob.take());
    }
    if (rest_.empty()) return std::move(file_);
    return Error{fmt::format("{} bytes follow the last blob, must be none", rest_.size())};
  }

 private:
  static Error in_blob(size_t index, const Error& error) {
    return Error{fmt::format("blob {}: {}", index, error.message)};
  }

  Expected<BlobView> next(size_t index, size_t& count) {
    const BlobHeader header = TRY(take_header());
    if (header.index != index || (index > 0 && header.count != count) || header.count <= index)
      return Error{fmt::format("is number {} of {}, must be {} of {}",
                               static_cast<uint32_t>(header.index),
                               static_cast<uint32_t>(header.count), index, count)};
    count = header.count;
    if (count > kMaxBlobs)
      return Error{fmt::format("there are {} blobs, must be at most {}", count, kMaxBlobs)};
    BlobView blob = TRY(cut(header));
    if (link(file_.sha256, header, blob.name) != header.header_sha256)
      return Error{"its header or name was changed, must have the SHA-256 that stands there"};
    file_.sha256 = header.header_sha256;
    if (header.type < 1 || header.type > static_cast<uint32_t>(BlobType::Opaque))
      return Error{fmt::format("type is {}, must be 1 to 5", static_cast<uint32_t>(header.type))};
    blob.type = static_cast<BlobType>(static_cast<uint32_t>(header.type));
    if (!is_plain_text(blob.name)) return Error{"name must be UTF-8 without control characters"};
    return blob;
  }

  Expected<BlobHeader> take_header() {
    BlobHeader header;
    if (rest_.size() < sizeof header)
      return Error{fmt::format("the file ends after {} of its bytes, must have the {} of a header",
                               rest_.size(), sizeof header)};
    std::memcpy(&header, rest_.data(), sizeof header);
    if (std::string_view(header.magic, sizeof header.magic) != kBlobMagic)
      return Error{
          fmt::format("does not begin with '{}', so this is not an executable of Tessera "
                      "(.popef); 'tessera compile' makes one from an ONNX model",
                      kBlobMagic)};
    std::string_view version(header.version, sizeof header.version);
    if (const size_t end = version.find_last_not_of('\0'); end != version.npos)
      version = version.substr(0, end + 1);
    if (version == kPopefVersion) return header;
    return Error{
        fmt::format("is of file format '{0}', must be '{1}': run it with a Tessera whose "
                    "'tessera version' says file format {0}, or compile the model again",
                    is_plain_text(version) ? version : "?", kPopefVersion)};
  }

  Expected<BlobView> cut(const BlobHeader& header) {
    const uint64_t total = header.total_bytes, name = header.name_bytes,
                   content = header.content_bytes;
    if (name > kMaxNameBytes)
      return Error{fmt::format("name has {} bytes, must have at most {}", name, kMaxNameBytes)};
    if (total > rest_.size())
      return Error{fmt::format("has {} bytes, must have at most the {} that are left in the file",
                               total, rest_.size())};
    const uint64_t begin = align(sizeof header + name);
    if (begin > total || content > total - begin || align(begin + content) != total)
      return Error{
          fmt::format("has {} bytes, must hold its header, {} bytes of name and {} of "
                      "content",
                      total, name, content)};
    BlobView blob;
    blob.name.assign(reinterpret_cast<const char*>(rest_.data()) + sizeof header, name);
    blob.content = rest_.subspan(begin, content);
    blob.content_sha256 = header.content_sha256;
    blob.offset = at_ + begin;
    if (!is_zero(rest_.first(begin).subspan(sizeof header + name)) ||
        !is_zero(rest_.first(total).subspan(begin + content)))
      return Error{"its padding was changed, must be zero"};
    rest_ = rest_.subspan(total);
    at_ += total;
    return blob;
  }

  std::span<const std::byte> rest_;
  uint64_t at_ = 0;
  BlobFile file_{};
};

}  // namespace

std::string_view to_string(BlobType type) {
  switch (type) {
    case BlobType::Executable: return "executable";
    case BlobType::Metadata: return "metadata";
    case BlobType::TensorData: return "tensor data";
    case BlobType::FeedData: return "feed data";
    case BlobType::Opaque: return "opaque";
  }
  return "?";
}

std::string blob_title(size_t index, const BlobView& blob) {
  return fmt::format("blob {} ({} '{}')", index, to_string(blob.type), blob.name);
}

Expected<BlobFile> write_blobs(std::vector<BlobView> blobs, const BlobSink& sink) {
  static constexpr std::byte kZeros[kBlobAlignment] = {};
  const auto put = [&sink](std::span<const std::byte> bytes, uint64_t& at) -> Status {
    TRY(sink(bytes));
    at += bytes.size();
    if (at % kBlobAlignment == 0) return {};
    const uint64_t padding = kBlobAlignment - at % kBlobAlignment;
    at += padding;
    return sink(std::span(kZeros).first(padding));
  };
  const std::vector<Sha256> digests = hash_contents(blobs);
  BlobFile file{};
  uint64_t at = 0;
  for (size_t i = 0; i < blobs.size(); ++i) {
    blobs[i].content_sha256 = digests[i];
    BlobHeader header = header_of(blobs[i], i, blobs.size());
    header.header_sha256 = file.sha256 = link(file.sha256, header, blobs[i].name);
    std::string head(reinterpret_cast<const char*>(&header), sizeof header);
    head += blobs[i].name;
    TRY(put(std::as_bytes(std::span(head)), at));
    blobs[i].offset = at;
    TRY(put(blobs[i].content, at));
  }
  file.blobs = std::move(blobs);
  return file;
}

Expected<BlobFile> walk_blobs(std::span<const std::byte> file) { return Walker(file).run(); }

Status check_contents(const BlobFile& file) {
  const std::vector<Sha256> digests = hash_contents(file.blobs);
  for (size_t i = 0; i < digests.size(); ++i)
    if (digests[i] != file.blobs[i].content_sha256)
      return Error{fmt::format("{}: its content was changed, its SHA-256 is {}, must be {}",
                               blob_title(i, file.blobs[i]), to_hex(digests[i]),
                               to_hex(file.blobs[i].content_sha256))};
  return {};
}

uint64_t file_bytes(const BlobFile& file) {
  if (file.blobs.empty()) return 0;
  const BlobView& last = file.blobs.back();
  return align(last.offset + last.content.size());
}

}  // namespace tessera
