// SPDX-License-Identifier: Apache-2.0
// Lengths from files, and what is wrong with a file said by line or index.
#include "packing/lengths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <span>

#include "support/file.h"
#include "support/npy.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

class LengthsTest : public TestWithFolder {
 protected:
  std::string file(const std::string& name, const std::string& text) {
    EXPECT_TRUE(write_file_atomic(path(name), text).ok());
    return path(name);
  }
  template <class T>
  std::string npy(const std::string& descr, const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    const NpyArray array{
        descr, {std::ssize(values)},
         {bytes.begin(), bytes.end()}
    };
    EXPECT_TRUE(write_npy(path("lengths.npy"), array).ok());
    return path("lengths.npy");
  }
  template <class T>
  std::string refusal(const Expected<T>& result) {
    EXPECT_FALSE(result.ok());
    if (result.ok()) return "";
    EXPECT_EQ(result.error().kind, ErrorKind::BadFile);
    // Without the folder.
    return result.error().message.substr(path("").size());
  }
};

TEST_F(LengthsTest, are_read_from_npy) {
  EXPECT_THAT(*read_lengths(npy<int32_t>("<i4", {3, 1, 7})), ElementsAre(3, 1, 7));
  EXPECT_THAT(*read_lengths(npy<int64_t>("<i8", {3, 1 << 24})), ElementsAre(3, 1 << 24));
  EXPECT_EQ(refusal(read_lengths(npy<int32_t>("<i4", {3, 0}))),
            "lengths.npy: [1] is 0, must be a length in 1..16777216");
  EXPECT_EQ(refusal(read_lengths(npy<int32_t>("<i4", {}))),
            "lengths.npy: holds 0 lengths, must hold 1..16777216");
  EXPECT_EQ(refusal(read_lengths(npy<float>("<f4", {3}))),
            "lengths.npy: is <f4 [1], must be one-dimensional <i4 or <i8");
}

TEST_F(LengthsTest, are_read_from_requests) {
  EXPECT_THAT(*read_lengths(file("a.jsonl",
                                 "{\"length\": 5}\n\n{\"input_ids\":[7,8,9]}\r\n"
                                 "{\"length\":2,\"at\":1.5}")),
              ElementsAre(5, 3, 2));
  const auto refuse = [&](const std::string& text) {
    return refusal(read_lengths(file("a.jsonl", text)));
  };
  EXPECT_EQ(refuse("{\"length\": 5}\n{\"len\": 5}\n"),
            "a.jsonl:2: must be an object with a \"length\" or a list of \"input_ids\"");
  EXPECT_EQ(refuse("5"),
            "a.jsonl:1: must be an object with a \"length\" or a list of \"input_ids\"");
  EXPECT_EQ(refuse("{\"length\": 5"),
            "a.jsonl:1: must be an object with a \"length\" or a list of \"input_ids\"");
  EXPECT_EQ(refuse("{\"length\": 0}"),
            "a.jsonl:1: \"length\" is 0, must be a length in 1..16777216");
  EXPECT_EQ(refuse("{\"length\": \"5\"}"),
            "a.jsonl:1: \"length\" is \"5\", must be a length in 1..16777216");
  EXPECT_EQ(refuse("{\"input_ids\": []}"),
            "a.jsonl:1: \"input_ids\" holds 0 items, must be a length in 1..16777216");
  EXPECT_EQ(refuse("{\"length\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}"),
            "a.jsonl:1: is nested 33 deep, must be at most 32");
  EXPECT_EQ(refuse("{\"length\": 5}\n" + std::string((16 << 20) + 1, ' ')),
            "a.jsonl: line 2 has 16777217 bytes, must have at most 16777216");
  EXPECT_EQ(refuse(""), "a.jsonl: holds 0 lengths, must hold 1..16777216");
}

TEST_F(LengthsTest, of_another_ending_are_refused) {
  EXPECT_EQ(refusal(read_lengths(file("a.txt", "1\n"))),
            "a.txt: must be a list of lengths (.npy or .jsonl), a histogram (.csv) or a folder of "
            "requests");
}

TEST_F(LengthsTest, a_histogram_is_read_line_by_line) {
  const auto histogram = read_histogram_csv(file("h.csv", "length,count\n1,0\n4,2\r\n3,5\n"));
  ASSERT_TRUE(histogram.ok());
  EXPECT_THAT(histogram->counts, ElementsAre(0, 0, 0, 5, 2));
  const auto refuse = [&](const std::string& text) {
    return refusal(read_histogram_csv(file("h.csv", text)));
  };
  EXPECT_EQ(refuse("1,2\n"), "h.csv:1: must be the header 'length,count'");
  EXPECT_EQ(refuse("length,count\n1,2,3\n"), "h.csv:2: must be two whole numbers: LENGTH,COUNT");
  EXPECT_EQ(refuse("length,count\n1;2\n"), "h.csv:2: must be two whole numbers: LENGTH,COUNT");
  EXPECT_EQ(refuse("length,count\n0,2\n"), "h.csv:2: 0, must be a length in 1..16777216");
  EXPECT_EQ(refuse("length,count\n3,2\n3,2\n"), "h.csv:3: length 3 comes twice, must come once");
  EXPECT_EQ(refuse("length,count\n3,-2\n"),
            "h.csv:2: count is -2, must be >= 0 and make at most 2^53 tokens in all");
  EXPECT_EQ(refuse("length,count\n2,4503599627370496\n1,1\n"),
            "h.csv:3: count is 1, must be >= 0 and make at most 2^53 tokens in all");
  EXPECT_EQ(refuse("length,count\n3,0\n"), "h.csv: counts no requests, must count at least one");
  EXPECT_EQ(refuse(""), "h.csv: counts no requests, must count at least one");
}

TEST_F(LengthsTest, draws_follow_the_histogram) {
  LengthHistogram histogram;
  histogram.counts = {0, 0, 30, 0, 10};
  const std::vector<int64_t> drawn = draw_lengths(histogram, 10000, 1);
  const auto twos = std::count(drawn.begin(), drawn.end(), 2);
  EXPECT_EQ(twos + std::count(drawn.begin(), drawn.end(), 4), 10000);
  EXPECT_NEAR(static_cast<double>(twos), 7500, 150);
  EXPECT_EQ(drawn, draw_lengths(histogram, 10000, 1));
  EXPECT_NE(drawn, draw_lengths(histogram, 10000, 2));
}

}  // namespace
}  // namespace tessera
