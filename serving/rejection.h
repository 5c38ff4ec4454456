// SPDX-License-Identifier: Apache-2.0
// Error::type of a request that was not taken, or not answered.
#pragma once

#include <string_view>

#include "executor/rejection.h"

namespace tessera::rejection {

inline constexpr std::string_view kEmpty = "empty";
inline constexpr std::string_view kOverLong = "over_long";
inline constexpr std::string_view kHoleInMask = "hole_in_mask";
inline constexpr std::string_view kPaddingId = "padding_id";      // among its tokens
inline constexpr std::string_view kNotPaddable = "not_paddable";  // shorter than its row
inline constexpr std::string_view kQueueFull = "queue_full";
inline constexpr std::string_view kDeadline = "deadline";  // cannot be met
inline constexpr std::string_view kClosed = "closed";
inline constexpr std::string_view kCancelled = "cancelled";             // after it was taken
inline constexpr std::string_view kDeadlineMissed = "deadline_missed";  // after it was taken

}  // namespace tessera::rejection
