// SPDX-License-Identifier: Apache-2.0
// Error::type of arrays that the machine does not take; serving/rejection.h has those of requests.
#pragma once

#include <string_view>

namespace tessera::rejection {

inline constexpr std::string_view kWrongDtype = "wrong_dtype";
inline constexpr std::string_view kWrongInput = "wrong_input";  // a name, a shape, another length
inline constexpr std::string_view kOutOfRange = "out_of_range";

}  // namespace tessera::rejection
