// SPDX-License-Identifier: Apache-2.0
#include "server/memory_budget.h"

#include <fmt/format.h>

#include "server/call.h"

namespace tessera::server {

Error HeldMemory::refusal() const {
  return {fmt::format("server: this request would bring the memory of all requests and answers to "
                      "more than {} bytes, the most at once; try again later",
                      budget_->most()),
          ErrorKind::Refused, refusal::kBusy};
}

}  // namespace tessera::server
