// SPDX-License-Identifier: Apache-2.0
// NumPy's files: read, written, and read again to the same.
#include "support/npy.h"

#include <filesystem>

#include "tests/fuzz/target.h"
#include "tests/fuzz/text_mutator.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto array = read_npy(file_of(input, ".npy"));
  if (!array) return demand(!array.error().message.empty(), "an error without words");
  note("read");
  demand(is_valid_shape(array->shape), "a shape that no tensor has");
  demand(array->bytes.size() <= input.size(), "more bytes than the file has");
  const std::string path = folder() + "/again.npy";
  demand(write_npy(path, *array).ok(), "what was read cannot be written");
  const auto again = read_npy(path);
  demand(again.ok() && again->descr == array->descr && again->shape == array->shape &&
             again->bytes == array->bytes,
         "written and read, it is another");
}

// The header is text between a magic word with a length and the data.
std::string mutate(std::string_view input, Random& random) {
  constexpr size_t kBefore = 10;
  const size_t end = input.find('\n');
  if (input.size() < kBefore || end == std::string_view::npos || random.one_in(4))
    return mutate_bytes(input, random);
  std::string header = mutate_text(input.substr(kBefore, end - kBefore), random);
  std::string changed(input.substr(0, kBefore));
  changed[8] = static_cast<char>((header.size() + 1) & 0xff);
  changed[9] = static_cast<char>((header.size() + 1) >> 8);
  return changed + header + std::string(input.substr(end));
}

}  // namespace tessera::fuzz
