// SPDX-License-Identifier: Apache-2.0
#include "executor/run_work.h"

#include <fmt/format.h>

#include <algorithm>

namespace tessera {
namespace {

// Terms of products a second and thread: more than any core does (two units of 16 lanes at 5 GHz
// are 1.6e11), and what a core does in a product that fits its caches.
constexpr double kMostRate = 1e12;
constexpr double kFairRate = 1e10;

Status check_part(const char* what, double terms, double most) {
  if (terms <= most) return {};
  return Error{fmt::format("run: {} {:.3g} terms, must be at most {:.3g} in its time "
                           "(--limit time=SECONDS raises it)",
                           what, terms, most),
               ErrorKind::Refused, "limit"};
}

}  // namespace

void RunWork::add(int64_t terms, int64_t times) {
  all_ += static_cast<double>(terms) * static_cast<double>(times);
  largest_ = std::max(largest_, terms);
}

Status RunWork::check(int threads, const Limits& limits) const {
  const auto seconds = static_cast<double>(limits.time);
  TRY(check_part("one call of a kernel takes as long as", static_cast<double>(largest_),
                 seconds * kFairRate));
  return check_part("takes as long as", all_, seconds * threads * kMostRate);
}

}  // namespace tessera
