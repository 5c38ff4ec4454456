// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/numbers.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::test {

void expect_number(double got, double wanted, double near) {
  if (std::isnan(wanted)) {
    EXPECT_TRUE(std::isnan(got)) << "is " << got;
  } else if (std::isinf(wanted)) {
    EXPECT_EQ(got, wanted);
  } else {
    EXPECT_NEAR(got, wanted, near);
  }
}

}  // namespace tessera::test
