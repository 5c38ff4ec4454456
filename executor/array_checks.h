// SPDX-License-Identifier: Apache-2.0
// Between a caller's arrays and the machine's buffers: names, types and values are checked here,
// in the caller's thread, and converted where they are wider than the machine's.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "executor/host_arrays.h"
#include "program/popef.h"
#include "support/expected.h"

namespace tessera {

// An array as the machine takes it: the caller's own bytes, or a converted copy.
struct HostInput {
  std::vector<std::byte> converted;
  std::span<const std::byte> bytes;
};
Expected<HostInput> take_input(const Anchor& anchor, const InputView& view);

// The places of requests (unpack_info_shape): each request is within the rows, in form B within one
// of them.
Status check_unpack_info(const PackingContract& packing, std::span<const std::byte> info);

// The caller's array is of the anchor's shape, and of its dtype or f32 for f16.
Status check_output(const Anchor& anchor, const OutputView& view);
// Machine bytes into an array of another dtype (f16 to f32).
void convert_output(std::span<const std::byte> bytes, const OutputView& view);

// Words of errors: "[3,17]", the place of element i of a tensor; "one of a, b, c".
std::string place_in(const Shape& shape, int64_t i);
std::string list_names(const std::vector<const Anchor*>& anchors);

}  // namespace tessera
