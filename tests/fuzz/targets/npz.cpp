// SPDX-License-Identifier: Apache-2.0
// NumPy's archives: read within a bound, written, and read again to the same.
#include "tools/files/npz.h"

#include <span>

#include "tests/fuzz/target.h"

namespace tessera::fuzz {

constexpr int64_t kMost = 1 << 20;

Expected<tools::NpzArrays> parse(std::string_view bytes) {
  return tools::npz_from(std::as_bytes(std::span(bytes)), "fuzz.npz", kMost);
}

void run(std::string_view input) {
  const auto arrays = parse(input);
  if (!arrays) return demand(!arrays.error().message.empty(), "an error without words");
  note("read");
  int64_t bytes = 0;
  for (const auto& [name, array] : *arrays) {
    demand(is_valid_shape(array.shape), "a shape that no tensor has");
    bytes += std::ssize(array.bytes);
  }
  demand(bytes <= kMost, "more bytes than were allowed");
  if (arrays->empty()) return;
  const auto archive = tools::npz_of(*arrays);
  if (!archive) return;  // a name that is not UTF-8
  const auto again = parse(*archive);
  demand(again.ok() && again->size() == arrays->size(), "written and read, it is another");
}

std::string mutate(std::string_view input, Random& random) { return mutate_bytes(input, random); }

}  // namespace tessera::fuzz
