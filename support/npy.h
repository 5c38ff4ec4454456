// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files: what users bring and take away. Little-endian, version 1 to 3; in memory and
// as we write them in C order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "support/expected.h"
#include "support/type.h"

namespace tessera {

struct NpyArray {
  std::string descr;  // "<i8", "<f4", "<f2", "|b1", …
  Shape shape;
  std::vector<std::byte> bytes;
};

// Refuses data of more than `most` bytes before it takes memory for them.
inline constexpr int64_t kMostArrayBytes = int64_t{16} << 30;
Expected<NpyArray> read_npy(const std::string& path, int64_t most = kMostArrayBytes);
// The same of a file's bytes; `path` is for messages.
Expected<NpyArray> npy_from(std::span<const std::byte> file, const std::string& path,
                            int64_t most = kMostArrayBytes);
// Whole numbers of one or two bytes as "<i4"; any other array as it is.
NpyArray widened(NpyArray array);
Status write_npy(const std::string& path, const NpyArray& array);  // atomic
// The header that stands before the array's bytes in such a file.
std::string npy_header(const NpyArray& array);
// NumPy's descr of our types: "<f4", "<f2", "<i4", "|b1".
std::string npy_descr(DType dtype);

}  // namespace tessera
