// SPDX-License-Identifier: Apache-2.0
// Expected, CHECK, little-endian fields, digests, and types.
#include <gmock/gmock.h>

#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

#include "support/check.h"
#include "support/expected.h"
#include "support/guard.h"
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

TEST(CheckDeathTest, an_internal_error_says_how_to_report_it) {
  EXPECT_DEATH(CHECK(1 + 1 == 3),
               "Please report it as CONTRIBUTING.md says.*\n  version: [0-9]+\\.[0-9]+.*\n"
               "  command: .*test_support");
}

TEST(Guard, memory_that_cannot_be_had_is_an_error_of_its_own_type) {
  const Expected<int> result = guarded("here", []() -> Expected<int> { throw std::bad_alloc(); });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().type, kNoHostMemory);
  EXPECT_TRUE(result.error().message.starts_with("here: this process cannot have the memory"));
  const auto too_long = []() -> Status {
    std::vector<int> list;
    list.resize(list.max_size() + 1);
    return {};
  };
  EXPECT_EQ(guarded("here", too_long).error().type, kNoHostMemory);
}

TEST(Guard, what_the_system_refuses_is_no_internal_error_and_what_is_unknown_is_one) {
  const Status refused = guarded("here", []() -> Status {
    throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
  });
  EXPECT_EQ(refused.error().message, "here: the system refuses: Resource temporarily unavailable");
  const Status unknown = guarded("here", []() -> Status { throw 7; });
  EXPECT_TRUE(unknown.error().message.starts_with("internal error: here"));
  EXPECT_NE(unknown.error().message.find("version: "), std::string::npos);
}

TEST(Guard, a_thread_does_its_work) {
  int done = 0;
  Expected<std::thread> thread = start_thread("here", [&] { done = 1; });
  ASSERT_TRUE(thread.ok());
  thread->join();
  EXPECT_EQ(done, 1);
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
