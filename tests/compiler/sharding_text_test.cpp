// SPDX-License-Identifier: Apache-2.0
#include "compiler/sharding_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string fault(const std::string& yaml) {
  const auto read = parse_sharding_yaml("shards.yaml", yaml);
  if (read.ok()) return "";
  EXPECT_EQ(read.error().kind, ErrorKind::Usage);
  return read.error().message;
}

TEST(ShardingText, yaml_is_a_list_of_node_device_and_stage) {
  const auto read = parse_sharding_yaml("shards.yaml",
                                        "-\n  node: stage1__plus0\n  device: 0\n  stage: 0\n"
                                        "- {node: '/encoder/Add_3', device: 1, stage: 1}\n"
                                        "- {node: last, device: 2}\n");
  ASSERT_TRUE(read.ok()) << read.error().message;
  const std::vector<ShardEntry> must = {
      {"stage1__plus0",  0, 0},
      {"/encoder/Add_3", 1, 1},
      {"last",           2, 0}
  };
  EXPECT_EQ(read->entries, must);
}

TEST(ShardingText, words_say_the_same) {
  const auto read = parse_sharding("here", {"a=0:0,b=x=1:1", "c=2"});
  ASSERT_TRUE(read.ok()) << read.error().message;
  const std::vector<ShardEntry> must = {
      {"a",   0, 0},
      {"b=x", 1, 1},
      {"c",   2, 0}
  };
  EXPECT_EQ(read->entries, must);
  EXPECT_EQ(*parse_sharding("here", {to_string(*read)}), *read);
}

TEST(ShardingText, what_is_wrong_is_said) {
  EXPECT_THAT(fault("node: a"), HasSubstr("is not a list"));
  EXPECT_THAT(fault("[]"), HasSubstr("has 0 entries"));
  EXPECT_THAT(fault("[a]"), HasSubstr("entry 0: is not a map"));
  EXPECT_THAT(fault("[{device: 1}]"), HasSubstr("entry 0: node is missing"));
  EXPECT_THAT(fault("[{node: a, device: 0}, {node: b}]"), HasSubstr("entry 1: device: ''"));
  EXPECT_THAT(fault("[{node: a, device: -1}]"), HasSubstr("device: '-1', must be a whole number"));
  EXPECT_THAT(fault("[{node: [a], device: 1}]"), HasSubstr("node must be one word"));
  EXPECT_THAT(fault("[{node: a, device: 1, ipu: 2}]"), HasSubstr("'ipu', must be node, device"));
  EXPECT_THAT(fault("[{node: a"), HasSubstr("shards.yaml: line "));
  EXPECT_THAT(fault(std::string(100'000, '[')), HasSubstr("must be YAML"));
  EXPECT_THAT(parse_sharding("here", {"a=b"}).error().message, HasSubstr("here a: 'b', must be"));
  EXPECT_THAT(parse_sharding("here", {"/no/such/file"}).error().message,
              HasSubstr("/no/such/file"));
}

}  // namespace
}  // namespace tessera
