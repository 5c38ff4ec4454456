// SPDX-License-Identifier: Apache-2.0
// Reshapes and slices as views and boxes, and what lies on a tile already.
#include "compiler/lower/value.h"

#include <gmock/gmock.h>

namespace tessera {
namespace {

using ::testing::ElementsAre;

Value slice(const Shape& view, const std::vector<Range>& ranges) {
  Value value = all_of(0, view);
  for (size_t d = 0; d < ranges.size(); ++d) value.box[d] = ranges[d];
  return value;
}

TEST(Value, a_whole_variable_takes_any_shape) {
  const std::optional<Value> value = reshape(all_of(0, {4, 6}), {2, 3, 4});
  ASSERT_TRUE(value);
  EXPECT_THAT(value->view, ElementsAre(2, 3, 4));
  EXPECT_TRUE(value->whole());
}

TEST(Value, a_part_of_merged_projections_splits_into_heads) {
  // Keys of [batch, tokens, 3 * hidden], as [batch, tokens, heads, depth].
  const Value keys = slice(
      {
          2, 5, 24
  },
      {{0, 2}, {0, 5}, {8, 16}});
  const std::optional<Value> heads = reshape(keys, {2, 5, 2, 4});
  ASSERT_TRUE(heads);
  EXPECT_THAT(heads->view, ElementsAre(2, 5, 6, 4));
  EXPECT_EQ(heads->box[2], (Range{2, 4}));
}

TEST(Value, a_slice_that_cuts_through_heads_has_no_such_view) {
  EXPECT_FALSE(reshape(slice(
                           {
                               5, 24
  },
                           {{0, 5}, {2, 10}}),
                       {5, 2, 4}));
}

TEST(Value, the_first_token_of_each_row_loses_its_dimension) {
  const Value first = slice(
      {
          3, 8, 16
  },
      {{0, 3}, {0, 1}, {0, 16}});
  const std::optional<Value> rows = reshape(first, {3, 16});
  ASSERT_TRUE(rows);
  EXPECT_THAT(rows->view, ElementsAre(3, 128));
  EXPECT_EQ(rows->box[1], (Range{0, 16}));
}

TEST(Value, any_token_of_each_row_keeps_its_place) {
  const Value third = slice(
      {
          3, 8, 16
  },
      {{0, 3}, {2, 3}, {0, 16}});
  const std::optional<Value> rows = reshape(third, {3, 16});
  ASSERT_TRUE(rows);
  EXPECT_EQ(rows->box[1], (Range{32, 48}));
}

TEST(Value, rows_of_a_slice_merge_with_what_is_inside_them) {
  const Value rows = slice(
      {
          9, 4
  },
      {{2, 8}, {0, 4}});
  const std::optional<Value> flat = reshape(rows, {24});
  ASSERT_TRUE(flat);
  EXPECT_THAT(flat->view, ElementsAre(36));
  EXPECT_EQ(flat->box[0], (Range{8, 32}));
}

TEST(Value, columns_of_a_slice_do_not_merge_with_rows) {
  EXPECT_FALSE(reshape(slice(
                           {
                               4, 9
  },
                           {{0, 4}, {2, 8}}),
                       {24}));
}

TEST(Value, ones_come_and_go) {
  const Value value = slice(
      {
          1, 6, 5
  },
      {{0, 1}, {1, 4}, {0, 5}});
  const std::optional<Value> with_ones = reshape(value, {3, 1, 5, 1});
  ASSERT_TRUE(with_ones);
  EXPECT_THAT(with_ones->shape(), ElementsAre(3, 1, 5, 1));
  EXPECT_EQ(with_ones->box[0], (Range{1, 4}));
}

TEST(Value, blocks_of_a_slice_must_not_reach_past_its_end) {
  const Value value = slice(
      {
          10
  },
      {{0, 6}});
  EXPECT_FALSE(region_of(value, {along(0, 4)}));
  EXPECT_TRUE(region_of(value, {along(0, 3)}));
  EXPECT_TRUE(region_of(slice(
                            {
                                10
  },
                            {{4, 10}}),
                        {along(0, 4)}));
}

TEST(Value, a_block_lies_on_its_own_tile) {
  const Mapping mapping{
      {8, 6},
      {2, 6},
      TileId{0}
  };
  const VertexGrid grid{
      {4, 1},
      TileId{0}
  };
  const Region own = *region_of(all_of(0, {8, 6}), {along(0, 2), whole_dim()});
  EXPECT_TRUE(is_local(mapping, own, grid));
  EXPECT_FALSE(is_local(mapping, *region_of(all_of(0, {8, 6}), {along(0, 4), whole_dim()}), grid));
  EXPECT_FALSE(is_local(mapping, own,
                        {
                            {4, 1},
                            TileId{1}
  }));
  EXPECT_FALSE(is_local(mapping, own,
                        {
                            {4, 2},
                            TileId{0}
  }));
}

TEST(Value, dimensions_of_one_do_not_matter_to_where_a_block_lies) {
  const Mapping mapping{
      {1, 8, 6},
      {1, 2, 6},
      TileId{0}
  };
  const Region own = *region_of(all_of(0, {8, 6}), {along(0, 2), along(1, 6)});
  EXPECT_TRUE(is_local(mapping, own,
                       {
                           {4, 1},
                           TileId{0}
  }));
}

TEST(Value, blocks_in_another_order_lie_elsewhere) {
  const Mapping mapping{
      {4, 6},
      {2, 3},
      TileId{0}
  };
  const Region turned = *region_of(all_of(0, {4, 6}), {along(1, 2), along(0, 3)});
  EXPECT_FALSE(is_local(mapping, turned,
                        {
                            {2, 2},
                            TileId{0}
  }));
}

}  // namespace
}  // namespace tessera
