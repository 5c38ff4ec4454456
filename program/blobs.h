// SPDX-License-Identifier: Apache-2.0
// The container of a .popef file: blobs one after the other, each a header, a name, content and
// zeros up to the next multiple of 64 bytes. There is no index: total_bytes leads to the next blob.
//
// Every byte is vouched for. content_sha256 covers the content. header_sha256 covers the header
// before it, the name, and the header_sha256 of the blob before: a chain, so that a blob can be
// neither changed nor dropped nor swapped for another file's, and the last link stands for the
// whole file. Bytes that no hash covers must be zero.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/expected.h"
#include "support/le.h"
#include "support/sha256.h"

namespace tessera {

enum class BlobType : uint32_t {
  Executable = 1,
  Metadata = 2,
  TensorData = 3,
  FeedData = 4,
  Opaque = 5,
};
std::string_view to_string(BlobType type);  // "executable", "tensor data", …

inline constexpr std::string_view kBlobMagic = "TESSPOPF";
inline constexpr uint64_t kBlobAlignment = 64;

struct BlobHeader {
  char magic[8];
  char version[24];            // kPopefVersion, then zeros
  Le<uint32_t> type;           // BlobType
  Le<uint32_t> index;          // of this blob, from 0
  Le<uint32_t> count;          // of blobs in the file
  Le<uint32_t> name_bytes;     // the name follows the header
  Le<uint64_t> total_bytes;    // from this header to the next
  Le<uint64_t> content_bytes;  // the content begins at the next multiple of 64 after the name
  Sha256 content_sha256;
  Sha256 header_sha256;
};
static_assert(sizeof(BlobHeader) == 128 && alignof(BlobHeader) == 1);

struct BlobView {
  BlobType type;
  std::string name;
  std::span<const std::byte> content;
  Sha256 content_sha256;
  uint64_t offset = 0;  // of the content
};

struct BlobFile {
  std::vector<BlobView> blobs;
  Sha256 sha256;  // the last link of the chain
};

// "blob 3 (tensor data 'encoder/q')", as errors begin.
std::string blob_title(size_t index, const BlobView& blob);

// content_sha256 is computed here. The sink gets the file piece by piece.
using BlobSink = std::function<Status(std::span<const std::byte>)>;
Expected<BlobFile> write_blobs(std::vector<BlobView> blobs, const BlobSink& sink);

// Checks everything but the contents' hashes. Errors: "blob 3: …".
Expected<BlobFile> walk_blobs(std::span<const std::byte> file);
Status check_contents(const BlobFile& file);

uint64_t file_bytes(const BlobFile& file);

}  // namespace tessera
