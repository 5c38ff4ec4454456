// SPDX-License-Identifier: Apache-2.0
// The arrays that a process in the sandbox sends to its parent.
#include "tools/sandbox/answer_frames.h"

#include "support/type.h"
#include "tests/fuzz/target.h"

namespace tessera::fuzz {

void run(std::string_view input) {
  const auto arrays = tools::parse_arrays(input);
  if (!arrays.ok()) return demand(!arrays.error().message.empty(), "an error without words");
  note("read");
  for (const auto& [name, array] : *arrays) {
    demand(is_valid_shape(array.shape), "a shape that is not one");
    const auto count = static_cast<size_t>(elements(array.shape));
    demand(count == 0 ? array.bytes.empty() : array.bytes.size() % count == 0, "loose bytes");
  }
  const std::string frame = tools::arrays_frame(0, *arrays);
  const auto again =
      tools::parse_arrays(std::string_view(frame).substr(sizeof(tools::FrameHeader)));
  demand(again.ok() && again->size() == arrays->size(), "written and read, it is another");
}

std::string mutate(std::string_view input, Random& random) { return mutate_bytes(input, random); }

}  // namespace tessera::fuzz
