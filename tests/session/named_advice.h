// SPDX-License-Identifier: Apache-2.0
// One piece of advice, by its name.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "session/advise.h"

namespace tessera {

inline const ServingOption& option(const Advice& advice, const std::string& name) {
  for (const ServingOption& one : advice.options)
    if (one.name == name) return one;
  ADD_FAILURE() << "no option " << name;
  return advice.options.at(0);
}
inline const CompileSlip* slip(const Advice& advice, AdviceRule rule) {
  for (const CompileSlip& one : advice.slips)
    if (one.rule == rule) return &one;
  return nullptr;
}

}  // namespace tessera
