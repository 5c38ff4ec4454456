// SPDX-License-Identifier: Apache-2.0
// Bytes as base64 text, with padding.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace tessera {

std::string to_base64(std::span<const std::byte> bytes);

}  // namespace tessera
