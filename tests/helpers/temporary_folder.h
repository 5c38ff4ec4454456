// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tessera {

// A test with a folder of its own, which goes when the test does.
class TemporaryFolder : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;
  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  // Names of the files there, sorted.
  std::vector<std::string> files() const;

 private:
  std::string folder_;
};

}  // namespace tessera
