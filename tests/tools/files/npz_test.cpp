// SPDX-License-Identifier: Apache-2.0
// Archives of arrays, of which nothing is believed.
#include "tools/files/npz.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <span>

namespace tessera::tools {
namespace {

using ::testing::HasSubstr;

NpyArray array_of(const std::vector<int32_t>& values) {
  NpyArray array{"<i4", {std::ssize(values)}, std::vector<std::byte>(values.size() * 4)};
  std::memcpy(array.bytes.data(), values.data(), array.bytes.size());
  return array;
}

Expected<NpzArrays> parse(const std::string& bytes, int64_t most = 1 << 20) {
  return npz_from(std::as_bytes(std::span(bytes)), "a.npz", most);
}

std::string two_arrays() {
  return npz_of({
                    {"a.npy",   array_of({1, 2, 3})},
                    {"b/c.npy", array_of({4})      }
  })
      .take();
}

TEST(Npz, what_was_written_is_read) {
  auto arrays = parse(two_arrays());
  ASSERT_TRUE(arrays.ok()) << arrays.error().message;
  ASSERT_EQ(arrays->size(), 2u);
  EXPECT_EQ(arrays->at("a.npy").bytes, array_of({1, 2, 3}).bytes);
  EXPECT_EQ(arrays->at("b/c.npy").shape, Shape{1});
}

TEST(Npz, the_same_arrays_give_the_same_bytes) { EXPECT_EQ(two_arrays(), two_arrays()); }

TEST(Npz, an_archive_may_be_empty) {
  const auto arrays = parse(npz_of({}).take());
  ASSERT_TRUE(arrays.ok()) << arrays.error().message;
  EXPECT_TRUE(arrays->empty());
}

TEST(Npz, the_sizes_that_an_archive_claims_are_bounded) {
  const auto arrays = parse(two_arrays(), 200);  // each takes 140 bytes and less
  ASSERT_FALSE(arrays.ok());
  EXPECT_EQ(arrays.error().kind, ErrorKind::Refused);
  EXPECT_THAT(arrays.error().message, HasSubstr("more than 200 bytes"));
}

TEST(Npz, an_entry_that_is_not_an_array_is_refused) {
  std::string bytes = two_arrays();
  for (size_t at = 0; (at = bytes.find("a.npy", at)) != std::string::npos; ++at)
    bytes.replace(at, 5, "a.txt");
  const auto arrays = parse(bytes);
  ASSERT_FALSE(arrays.ok());
  EXPECT_THAT(arrays.error().message, HasSubstr("'a.txt' is not a .npy file"));
}

TEST(Npz, an_array_that_was_changed_is_refused) {
  std::string bytes = two_arrays();
  const size_t at = bytes.find(std::string("\1\0\0\0\2\0\0\0", 8));
  ASSERT_NE(at, std::string::npos);
  bytes[at] = 9;
  const auto arrays = parse(bytes);
  ASSERT_FALSE(arrays.ok());
  EXPECT_EQ(arrays.error().kind, ErrorKind::BadFile);
}

TEST(Npz, no_flipped_byte_and_no_cut_is_more_than_an_error) {
  const std::string good = two_arrays();
  for (size_t i = 0; i < good.size(); ++i) {
    for (const int bit : {0, 3, 7}) {
      std::string bytes = good;
      bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
      (void)parse(bytes);
    }
    EXPECT_FALSE(parse(good.substr(0, i)).ok()) << i;
  }
}

}  // namespace
}  // namespace tessera::tools
