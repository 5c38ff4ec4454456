// SPDX-License-Identifier: Apache-2.0
// The pipe of a locked-up process carries frames, each a header and a body. The reader believes
// nothing: sizes are checked against a limit before memory is had for them, and arrays are as .npy
// files hold them or are refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "support/expected.h"
#include "support/le.h"
#include "support/npy.h"

namespace tessera::tools {

enum class FrameKind : uint32_t { Arrays = 1, Done = 2 };

struct FrameHeader {
  Le<uint32_t> kind;
  Le<uint32_t> number;  // of the folder; of the error's kind, 0 if all is well
  Le<uint64_t> bytes;   // of the body
};
static_assert(sizeof(FrameHeader) == 16);

std::string arrays_frame(uint32_t folder, const std::map<std::string, NpyArray>& arrays);
std::string done_frame(const Status& status);

Expected<std::map<std::string, NpyArray>> parse_arrays(std::string_view body);
Status parse_done(uint32_t kind, std::string_view body);

}  // namespace tessera::tools
