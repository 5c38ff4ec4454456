// SPDX-License-Identifier: Apache-2.0
// A message of popef.proto is bounded before protobuf builds it: a field of two bytes becomes an
// object of hundreds. One pass over the bytes counts what each message holds of each repeated
// field, and allocates nothing.
#pragma once

#include <google/protobuf/descriptor.h>

#include <span>

#include "support/expected.h"
#include "support/limits.h"

namespace tessera {

// Errors: "has more than 8 of tessera.popef.Region.dims, must have at most 8"; Refused where all
// messages together are more, or take more memory, than the limits allow.
Status check_bounds(std::span<const std::byte> bytes, const google::protobuf::Descriptor& type,
                    const Limits& limits);

}  // namespace tessera
