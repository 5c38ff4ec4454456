// SPDX-License-Identifier: Apache-2.0
#include "serving/kept_tokens.h"

#include <fmt/format.h>

#include <algorithm>

#include "serving/rejection.h"

namespace tessera {

KeptTokens first_kept(std::span<const int32_t> mask, int32_t there) {
  const auto first = std::ranges::find_if(mask, [&](int32_t is) { return is != 1 - there; });
  const auto end = std::find_if(first, mask.end(), [&](int32_t is) { return is != there; });
  return {static_cast<size_t>(first - mask.begin()), static_cast<size_t>(end - first)};
}

Expected<KeptTokens> kept_tokens(const std::string& name, std::span<const int32_t> mask,
                                 int32_t there, bool may_pad) {
  const KeptTokens kept = first_kept(mask, there);
  size_t end = may_pad || kept.first == 0 ? kept.first + kept.count : 0;
  while (may_pad && end < mask.size() && mask[end] == 1 - there) ++end;
  if (end == mask.size()) return kept;
  const std::string padding =
      fmt::format(" and {} for the padding before or behind them", 1 - there);
  return Error{fmt::format("request: {} has a {} at {}, must be {} for every token{}", name,
                           mask[end], end, there, may_pad ? padding : " of a request"),
               ErrorKind::Failed, rejection::kHoleInMask};
}

}  // namespace tessera
