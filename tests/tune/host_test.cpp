// SPDX-License-Identifier: Apache-2.0
#include "tune/host.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iterator>

namespace tessera {
namespace {

TEST(HostTuning, measures_every_candidate_and_keeps_the_usual_unless_another_is_faster) {
  int told = 0;
  const auto found = tune_host({.seconds = 0.01, .threads = 2}, [&](int done, int all) {
    ++told;
    EXPECT_LE(done, all);
  });
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(told, found->rounds);
  EXPECT_EQ(found->candidates, std::ssize(tuning_candidates()));
  EXPECT_EQ(found->usual.blocks.rows, MatMulBlocks().rows);
  EXPECT_GT(found->chosen.seconds, 0);
  EXPECT_LE(found->chosen.seconds, found->usual.seconds);
  EXPECT_GT(found->gflops, 0);
}

TEST(HostTuning, takes_a_time_that_can_be_waited_for) {
  for (const double seconds : {0.0, -1.0, 1e9, std::nan("")})
    EXPECT_EQ(tune_host({.seconds = seconds}).error().kind, ErrorKind::Usage);
}

}  // namespace
}  // namespace tessera
