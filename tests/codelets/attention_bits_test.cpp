// SPDX-License-Identifier: Apache-2.0
// The bits of an answer do not depend on padding, on other segments, on how rows are cut, or on the
// CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/codelets/attention_vertex.h"

namespace tessera {
namespace {

// The first `length` positions of every sequence, then others, up to `s`.
Qkv padded(const Qkv& is, int64_t s, double with, std::mt19937& random) {
  Qkv result = random_qkv(random, {is.q.size[0], s, is.q.size[2], is.q.size[3]}, s);
  for (VertexArray Qkv::* part : {&Qkv::q, &Qkv::k, &Qkv::v}) {
    const int64_t row = is.q.size[2] * is.q.size[3];
    const int64_t length = (is.*part).size[1];
    for (int64_t b = 0; b < is.q.size[0]; ++b) {
      for (int64_t i = 0; i < s * row; ++i) {
        double& to = (result.*part).values[size_t(b * s * row + i)];
        to = i < length * row ? (is.*part).values[size_t(b * length * row + i)] : with;
      }
    }
  }
  return result;
}

void expect_same_rows(const VertexArray& is, const VertexArray& want, const std::string& where) {
  const int64_t row = want.size[2] * want.size[3];
  for (int64_t b = 0; b < want.size[0]; ++b) {
    for (int64_t i = 0; i < want.size[1] * row; ++i) {
      ASSERT_EQ(is.values[size_t(b * is.size[1] * row + i)],
                want.values[size_t(b * want.size[1] * row + i)])
          << where << ", sequence " << b << ", element " << i;
    }
  }
}

TEST(Attention, of_a_padded_sequence_has_the_bits_of_the_sequence_alone) {
  std::mt19937 random(8);
  for (const int64_t length : {1, 5, 16, 23, 40}) {
    const Qkv alone = random_qkv(random, {2, length, 2, 8}, length);
    const VertexArray want = attend(alone, kNone, {});
    for (const int64_t s : {length + 1, length + 9, int64_t{64}, int64_t{77}}) {
      const Qkv is = padded(alone, s, NAN, random);
      std::vector<int32_t> mask(size_t(2 * s));
      for (int64_t i = 0; i < 2 * s; ++i) mask[size_t(i)] = i % s < length;
      expect_same_rows(attend(is, kKeys, {ints({2, s}, mask)}), want, "keys");
      expect_same_rows(attend(is, kLengths, {ints({2}, {int32_t(length), int32_t(length)})}), want,
                       "lengths");
      expect_same_rows(attend(is, kSegments, {ints({2, s}, mask), ints({2, s}, mask)}), want,
                       "segments");
    }
  }
}

TEST(Attention, of_a_segment_between_others_has_the_bits_of_the_segment_alone) {
  std::mt19937 random(9);
  const std::vector<int64_t> lengths = {3, 17, 1, 30, 6};
  std::vector<Qkv> alone;
  Qkv row = random_qkv(random, {1, 64, 2, 8}, 64);
  std::vector<int32_t> ids(64, 0);
  size_t at = 0;
  for (const int64_t length : lengths) {
    alone.push_back(random_qkv(random, {1, length, 2, 8}, length));
    for (VertexArray Qkv::* part : {&Qkv::q, &Qkv::k, &Qkv::v}) {
      std::ranges::copy((alone.back().*part).values, (row.*part).values.begin() + long(at) * 16);
    }
    for (int64_t i = 0; i < length; ++i) ids[at++] = int32_t(alone.size());
  }
  const VertexArray mask = ints({1, 64}, ids);
  const VertexArray packed = attend(row, kSegments, {mask, mask});
  at = 0;
  for (const Qkv& is : alone) {
    const std::vector<double> want = attend(is, kNone, {}).values;
    const std::vector<double> got(packed.values.begin() + long(at),
                                  packed.values.begin() + long(at + want.size()));
    EXPECT_EQ(got, want) << "segment of " << is.q.size[1];
    at += want.size();
  }
}

TEST(Attention, of_a_segment_depends_on_no_other) {
  std::mt19937 random(10);
  Qkv is = random_qkv(random, {1, 40, 1, 8}, 40);
  std::vector<int32_t> ids(40, 1);
  for (size_t i = 0; i < 40; i += 3) ids[i] = 2;  // one key in three is another's
  const VertexArray mask = ints({1, 40}, ids);
  const VertexArray before = attend(is, kSegments, {mask, mask});
  for (size_t i = 0; i < 40; i += 3) {
    for (size_t d = 0; d < 8; ++d) is.k.values[8 * i + d] = is.v.values[8 * i + d] = NAN;
  }
  const VertexArray after = attend(is, kSegments, {mask, mask});
  for (size_t i = 0; i < 320; ++i) {
    if (i / 8 % 3 == 0) continue;
    ASSERT_EQ(after.values[i], before.values[i]) << i;
  }
}

TEST(Attention, of_a_block_of_rows_has_the_bits_of_all_rows) {
  std::mt19937 random(11);
  const Qkv is = random_qkv(random, {1, 23, 2, 8}, 23);
  const VertexArray want = attend(is, kNone, {});
  for (const int64_t rows : {1, 4, 7, 22}) {
    Qkv block = is;
    block.q.size[1] = rows;
    block.q.values.resize(size_t(rows * 16));
    const std::vector<double> first(want.values.begin(), want.values.begin() + rows * 16);
    EXPECT_EQ(attend(block, kNone, {}).values, first) << rows;
  }
}

TEST(Attention, has_the_same_bits_on_every_cpu) {
  std::mt19937 random(12);
  const Qkv is = random_qkv(random, {1, 13, 2, 70}, 117, F16);
  const std::vector<double> here = attend(is, kNone, {}).values;
  for (const char* cpu : {"x86-64", "x86-64-v3"}) {
    EXPECT_EQ(attend(is, kNone, {}, F32, cpu).values, here) << cpu;
  }
}

}  // namespace
}  // namespace tessera
