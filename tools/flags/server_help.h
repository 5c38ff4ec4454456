// SPDX-License-Identifier: Apache-2.0
// Help of the flags that tessera serve and tessera text serve both have.
#pragma once

namespace tessera::tools {

inline constexpr const char* kHostHelp =
    "the address to listen at; other machines reach only what is not 127.0.0.1";
inline constexpr const char* kDrainHelp =
    "how long a stop (SIGTERM, SIGINT) waits for answers that are on their way";

}  // namespace tessera::tools
