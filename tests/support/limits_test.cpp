// SPDX-License-Identifier: Apache-2.0
#include "support/limits.h"

#include <gtest/gtest.h>

namespace tessera {
namespace {

TEST(Limits, defaults_are_those_of_the_table) {
  for (const LimitRow& row : limit_rows()) EXPECT_EQ(Limits{}.*row.field, row.value) << row.name;
}

TEST(Limits, words_change_one_each) {
  const Limits limits = parse_limits({"time=2m", "memory=3GiB", "nodes=7"}).take();
  EXPECT_EQ(limits.time, 120);
  EXPECT_EQ(limits.memory, int64_t{3} << 30);
  EXPECT_EQ(limits.nodes, 7);
  EXPECT_EQ(limits.kernels, Limits{}.kernels);
}

TEST(Limits, what_is_not_a_limit_is_a_usage_error) {
  for (const char* word : {"time", "tme=1", "time=", "time=0", "time=-1", "time=1x", "time=1KiB",
                           "nodes=1s", "memory=99999999999TiB", "time=9223372036854775807"}) {
    const auto limits = parse_limits({word});
    ASSERT_FALSE(limits.ok()) << word;
    EXPECT_EQ(limits.error().kind, ErrorKind::Usage) << word;
    EXPECT_TRUE(limits.error().message.starts_with("--limit")) << limits.error().message;
  }
}

TEST(Limits, what_is_above_a_limit_is_refused_with_the_flag_that_raises_it) {
  EXPECT_TRUE(check_limit({}, &Limits::nodes, 1'000'000, "m.onnx").ok());
  const Status status = check_limit({}, &Limits::nodes, 1'200'000, "m.onnx");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message,
            "m.onnx: needs nodes = 1,200,000, must be at most 1,000,000 (--limit nodes=VALUE "
            "raises it)");
  EXPECT_EQ(status.error().kind, ErrorKind::Refused);
}

TEST(Limits, time_that_is_over_is_refused) {
  Limits limits;
  EXPECT_TRUE(Deadline(limits).check("load").ok());
  limits.time = 0;
  EXPECT_EQ(Deadline(limits).check("load").error().message,
            "load: took longer than 0 s (--limit time=SECONDS raises it)");
}

TEST(Limits, a_long_loop_tells_how_far_it_has_come) {
  std::vector<std::string> told;
  const auto tell = [&told](const std::string& words) { told.push_back(words); };
  const Deadline often(Limits(), tell, std::chrono::seconds(0));
  EXPECT_TRUE(often.check("lower", 12'000, 200'000).ok());
  EXPECT_EQ(told, std::vector<std::string>{"lower, 12,000 of 200,000"});
  const Deadline seldom(Limits(), tell, std::chrono::hours(1));
  EXPECT_TRUE(seldom.check("lower", 1, 2).ok());
  EXPECT_EQ(told.size(), 1u);
}

TEST(Limits, values_read_as_they_are_written) {
  EXPECT_EQ(to_string(LimitUnit::Bytes, int64_t{16} << 30), "16 GiB");
  EXPECT_EQ(to_string(LimitUnit::Bytes, 1500), "1,500 bytes");
  EXPECT_EQ(to_string(LimitUnit::Seconds, 600), "600 s");
  EXPECT_EQ(to_string(LimitUnit::Count, 1'000'000), "1,000,000");
}

}  // namespace
}  // namespace tessera
