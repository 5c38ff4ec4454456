// SPDX-License-Identifier: Apache-2.0
// Expected, CHECK, little-endian fields, digests, and types.
#include <gmock/gmock.h>

#include <memory>

#include "support/check.h"
#include "support/expected.h"
#include "support/le.h"
#include "support/sha256.h"
#include "support/type.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;

Expected<int> half_of(int number) {
  if (number % 2 == 0) return number / 2;
  return Error{"is odd", ErrorKind::Refused};
}
Expected<std::unique_ptr<int>> quarter_of(int number) {
  return std::make_unique<int>(TRY(half_of(TRY(half_of(number)))));
}
Status is_even(int number) {
  TRY(half_of(number));
  return {};
}

TEST(Expected, try_gives_the_value_or_returns_the_error) {
  EXPECT_EQ(**quarter_of(12), 3);
  EXPECT_EQ(quarter_of(6).error().message, "is odd");
  EXPECT_EQ(quarter_of(6).error().kind, ErrorKind::Refused);
  EXPECT_TRUE(is_even(2).ok());
  EXPECT_FALSE(is_even(3));
}

TEST(Expected, a_value_can_be_taken_out) {
  Expected<std::unique_ptr<int>> quarter = quarter_of(8);
  const std::unique_ptr<int> taken = quarter.take();
  EXPECT_EQ(*taken, 2);
}

TEST(CheckDeathTest, a_broken_condition_ends_the_process_and_says_which) {
  CHECK(1 + 1 == 2);
  EXPECT_DEATH(CHECK(1 + 1 == 3), "internal error: 1 \\+ 1 == 3 does not hold .*support_test.cpp");
}

TEST(Le, the_lowest_byte_comes_first_at_any_alignment) {
  struct Fields {
    Le<uint8_t> one;
    Le<uint32_t> four = 0x01020304u;
    Le<uint64_t> eight = ~uint64_t{0};
  } fields;
  static_assert(sizeof fields == 13 && alignof(Fields) == 1);
  uint8_t bytes[4];
  std::copy_n(reinterpret_cast<const uint8_t*>(&fields.four), 4, bytes);
  EXPECT_THAT(bytes, ElementsAre(4, 3, 2, 1));
  EXPECT_EQ(fields.four, 0x01020304u);
  EXPECT_EQ(fields.eight, ~uint64_t{0});
}

TEST(Sha256, digests_are_those_of_the_standard) {
  EXPECT_EQ(to_hex(sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256, parts_give_the_digest_of_the_whole) {
  Sha256Stream stream;
  for (std::string_view part : {"a", "", "bc"}) stream.add(std::as_bytes(std::span(part)));
  EXPECT_EQ(stream.finish(), sha256("abc"));
}

TEST(Types, dtypes_print_and_parse) {
  for (DType dtype : {DType::F32, DType::F16, DType::I32, DType::Bool})
    EXPECT_EQ(parse_dtype(to_string(dtype)), dtype);
  EXPECT_EQ(parse_dtype("f64"), std::nullopt);
  EXPECT_EQ(to_string(TensorType{
                DType::F16, {2, 3}
  }),
            "f16[2,3]");
  EXPECT_EQ(to_string(TensorType{DType::Bool, {}}), "bool[]");
}

TEST(Types, bytes_are_elements_times_their_size) {
  EXPECT_EQ((TensorType{
                DType::F16, {2, 3}
  }
                 .bytes()),
            12);
  EXPECT_EQ((TensorType{DType::F32, {}}.bytes()), 4);
  EXPECT_EQ((TensorType{
                DType::I32, {5, 0}
  }
                 .bytes()),
            0);
  EXPECT_EQ((TensorType{DType::Bool, {7}}.bytes()), 7);
}

TEST(Types, strides_are_in_elements) {
  EXPECT_THAT(row_major_strides({2, 3, 4}), ElementsAre(12, 4, 1));
  EXPECT_THAT(row_major_strides({}), ElementsAre());
}

TEST(Types, a_shape_is_bounded_without_overflow) {
  EXPECT_TRUE(is_valid_shape({}));
  EXPECT_TRUE(is_valid_shape({kMaxElements}));
  EXPECT_TRUE(is_valid_shape({0, 5}));
  EXPECT_FALSE(is_valid_shape({kMaxElements, 2}));
  EXPECT_FALSE(is_valid_shape({int64_t{1} << 62, int64_t{1} << 62}));
  EXPECT_FALSE(is_valid_shape({0, int64_t{1} << 62, int64_t{1} << 62}));
  EXPECT_FALSE(is_valid_shape({2, -1}));
  EXPECT_FALSE(is_valid_shape(Shape(kMaxRank + 1, 1)));
}

}  // namespace
}  // namespace tessera
