// SPDX-License-Identifier: Apache-2.0
// Numbers as a reference gave them.
#pragma once

namespace tessera::test {

// NaN where NaN is wanted, the same infinity, or within `near`.
void expect_number(double got, double wanted, double near);

}  // namespace tessera::test
