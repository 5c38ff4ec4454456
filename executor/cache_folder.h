// SPDX-License-Identifier: Apache-2.0
// Where compiled codelets are kept between processes, unless a caller says otherwise.
#pragma once

#include <string>

namespace tessera {

// TESSERA_OBJECT_CACHE where it is set (set and empty: no cache); else
// $XDG_CACHE_HOME/tessera/objects or ~/.cache/tessera/objects; "" where there is no such place.
std::string default_cache_folder();

}  // namespace tessera
