// SPDX-License-Identifier: Apache-2.0
// Packing forms as the parameter of tests.
#pragma once

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "program/packing_contract.h"

namespace tessera {

inline void PrintTo(PackingForm form, std::ostream* out) { *out << to_string(form); }

inline std::string form_name(const ::testing::TestParamInfo<PackingForm>& info) {
  return std::string(to_string(info.param));
}

}  // namespace tessera
