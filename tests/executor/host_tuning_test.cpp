// SPDX-License-Identifier: Apache-2.0
#include "executor/host_tuning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "tests/helpers/test_with_folder.h"
#include "tests/helpers/tiny_executable.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

class HostTuningTest : public TestWithFolder {
 protected:
  std::string cache() const { return path("objects"); }
};

constexpr MatMulBlocks kFound{288, 768, false};

TEST_F(HostTuningTest, is_read_back_for_the_same_cpu) {
  EXPECT_FALSE(read_tuning(cache(), "").has_value());
  ASSERT_TRUE(write_tuning(cache(), "", kFound).ok());
  const auto read = read_tuning(cache(), "");
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->rows, kFound.rows);
  EXPECT_EQ(read->terms, kFound.terms);
  EXPECT_EQ(read->prefetch, kFound.prefetch);
  EXPECT_FALSE(read_tuning(cache(), "x86-64-v2").has_value());
  EXPECT_FALSE(read_tuning("", "").has_value());
}

// Sizes that nobody measured would size scratch memory.
TEST_F(HostTuningTest, what_is_no_candidate_is_not_taken) {
  ASSERT_TRUE(write_tuning(cache(), "", {1'000'000, 7, true}).ok());
  EXPECT_FALSE(read_tuning(cache(), "").has_value());
}

TEST_F(HostTuningTest, a_machine_takes_what_its_folder_has) {
  const auto executable = std::make_shared<const Executable>(tiny_executable(R"(program one {
  target test
  input x: f32[3,4] = by [3,4] at 0
  output y: f32[3,4] = by [3,4] at 0
  inputs x
  outputs y
  step softmax {
    softmax on [1] at 0
    read x [*, *]
    write y [*, *]
  }
}
)"));
  const auto blocks = [&] {
    auto machine = Machine::load(executable, {.threads = 1, .cache_folder = cache()});
    EXPECT_TRUE(machine.ok()) << machine.error().message;
    return machine.ok() ? (*machine)->blocks().rows : 0;
  };
  EXPECT_EQ(blocks(), MatMulBlocks().rows);
  ASSERT_TRUE(write_tuning(cache(), "", kFound).ok());
  EXPECT_EQ(blocks(), kFound.rows);
}

TEST_F(HostTuningTest, needs_a_folder_to_be_kept) {
  EXPECT_THAT(check_tuning_folder("").error().message,
              HasSubstr("there is no folder of compiled codelets"));
  EXPECT_FALSE(write_tuning("", "", kFound).ok());
  std::ofstream(path("file")) << "no folder";
  EXPECT_FALSE(check_tuning_folder(path("file")).ok());
}

}  // namespace
}  // namespace tessera
