// SPDX-License-Identifier: Apache-2.0
// The tokens of a request that are there, by its mask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "support/expected.h"

namespace tessera {

struct KeptTokens {
  size_t first = 0, count = 0;
};

// The first that are there and have no other between them. `there` is what a mask says of a token
// that is there, 0 or 1; the other number is padding.
KeptTokens first_kept(std::span<const int32_t> mask, int32_t there);

// The same, where nothing else is there: padding may stand before and behind them if it `may_pad`,
// and otherwise all tokens must be there. An error of the type "hole_in_mask" names the mask by
// `name`, and the first place that is wrong.
Expected<KeptTokens> kept_tokens(const std::string& name, std::span<const int32_t> mask,
                                 int32_t there, bool may_pad);

}  // namespace tessera
