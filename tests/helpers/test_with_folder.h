// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/helpers/temp_folder.h"

namespace tessera {

// A test with a folder of its own, which goes when the test does.
class TestWithFolder : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return folder_ / name; }
  // Names of the files there, sorted.
  std::vector<std::string> files() const;

 private:
  const TempFolder folder_;
};

}  // namespace tessera
