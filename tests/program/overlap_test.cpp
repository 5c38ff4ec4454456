// SPDX-License-Identifier: Apache-2.0
#include "program/overlap.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "program/boxes.h"
#include "tests/helpers/linear_mapping.h"

namespace tessera {
namespace {

// The meaning, element by element.
std::set<int64_t> elements_of(const Shape& view, const Box& box) {
  std::set<int64_t> places;
  for (int64_t at = 0; at < elements(view); ++at) {
    int64_t rest = at;
    bool inside = true;
    for (size_t d = view.size(); d-- > 0; rest /= view[d]) {
      const int64_t x = rest % view[d];
      inside = inside && x >= box[d].begin && x < box[d].end;
    }
    if (inside) places.insert(at);
  }
  return places;
}

const std::vector<Shape> kViews = {
    {24},
    {4, 6},
    {6, 4},
    {2, 3, 4},
    {2, 12},
    {2, 2, 6},
    {1, 24, 1},
    {2, 2, 2, 3},
    {3, 1, 8},
    {24, 1}
};

class Overlap : public ::testing::TestWithParam<int> {
 protected:
  int64_t draw(int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random_);
  }
  const Shape& view() { return kViews[static_cast<size_t>(draw(0, kViews.size() - 1))]; }
  Box box(const Shape& view) {
    Box box;
    for (int64_t extent : view) {
      const int64_t begin = draw(0, extent - 1);
      box.push_back({begin, draw(begin + 1, extent)});
    }
    return box;
  }
  std::mt19937 random_{static_cast<unsigned>(GetParam())};
};

TEST_P(Overlap, is_the_number_of_common_elements) {
  for (int i = 0; i < 200; ++i) {
    const Shape &view_a = view(), &view_b = view();
    const Box a = box(view_a), b = box(view_b);
    const auto in_a = elements_of(view_a, a), in_b = elements_of(view_b, b);
    int64_t common = 0;
    for (int64_t place : in_a) common += in_b.contains(place);
    EXPECT_EQ(overlap(view_a, a, view_b, b), common);
    EXPECT_EQ(covers(view_a, a, view_b, b), common == static_cast<int64_t>(in_b.size()));
  }
}

TEST_P(Overlap, runs_are_maximal_and_hold_every_element_once) {
  for (int i = 0; i < 200; ++i) {
    const Shape& view = this->view();
    const Box box = this->box(view);
    std::vector<int64_t> places;
    int64_t last = -1, runs = 0;
    for_each_run(view, box, [&](int64_t begin, int64_t end) {
      EXPECT_GT(begin, last);
      last = end;
      ++runs;
      for (; begin < end; ++begin) places.push_back(begin);
    });
    const auto expected = elements_of(view, box);
    EXPECT_EQ(places, std::vector<int64_t>(expected.begin(), expected.end()));
    EXPECT_EQ(runs, run_count(merge(view, box)));
  }
}

TEST_P(Overlap, sources_are_the_mapped_blocks_that_hold_the_elements) {
  for (int i = 0; i < 200; ++i) {
    Mapping mapping{view(), {}, TileId{0}};
    for (int64_t extent : mapping.view) mapping.block.push_back(draw(1, extent + 1));
    const Shape& view = this->view();
    const Box box = this->box(view);
    const auto places = elements_of(view, box);
    std::vector<Source> sources = sources_of(mapping, view, box);
    auto source = sources.begin();
    for (int64_t k = 0; k < block_count(mapping); ++k) {
      int64_t common = 0, runs = 0;
      bool inside = false;
      for (int64_t place : elements_of(mapping.view, block_at(mapping, k))) {
        runs += places.contains(place) && !inside;
        inside = places.contains(place);
        common += inside;
      }
      if (common == 0) continue;
      ASSERT_NE(source, sources.end());
      EXPECT_EQ(source->block, k);
      EXPECT_EQ(source->elements, common);
      EXPECT_GE(source->runs, runs);
      EXPECT_LE(source->runs, view == mapping.view ? runs : common);
      ++source;
    }
    EXPECT_EQ(source, sources.end());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Overlap, ::testing::Range(0, 4));

TEST(Boxes, rows_of_a_matrix_are_one_run) {
  EXPECT_EQ(run_count(merge(
                {
                    8, 4, 6
  },
                {{2, 5}, {0, 4}, {0, 6}})),
            1);
  EXPECT_EQ(run_count(merge(
                {
                    8, 4, 6
  },
                {{2, 3}, {1, 3}, {0, 6}})),
            1);
  EXPECT_EQ(run_count(merge(
                {
                    8, 4, 6
  },
                {{2, 5}, {1, 3}, {0, 6}})),
            3);
  EXPECT_EQ(run_count(merge({}, {})), 1);
}

TEST(Mappings, the_last_block_may_be_short) {
  const Mapping mapping{
      {5, 7},
      {2, 4},
      TileId{3}
  };
  EXPECT_EQ(block_count(mapping), 6);
  EXPECT_EQ(block_at(mapping, 3), (Box{
                                      {2, 4},
                                      {4, 7}
  }));
  EXPECT_EQ(block_at(mapping, 5), (Box{
                                      {4, 5},
                                      {4, 7}
  }));
  const Variable variable{
      "x", DType::F16, {5, 7},
        VariableKind::Activation, mapping, -1
  };
  EXPECT_EQ(bytes_on_tile(variable, TileId{8}), 6);
  EXPECT_EQ(bytes_on_tile(variable, TileId{2}), 0);
  EXPECT_EQ(bytes_on_tile(variable, TileId{9}), 0);
}

TEST(Mappings, linear_ones_deal_out_whole_grains) {
  EXPECT_EQ(test::linear_mapping({10, 10}, 4, 8), (Mapping{{100}, {32}, TileId{0}}));
  EXPECT_EQ(test::linear_mapping({3}, 4, 8), (Mapping{{3}, {8}, TileId{0}}));
}

TEST(Regions, boxes_move_with_the_grid_and_are_clipped) {
  const Region region = blocked(0, {5, 6, 7}, {2, 6, 3}, {1, -1, 0});
  EXPECT_EQ(box_at(region,
                   {
                       2, 1
  }),
            (Box{{2, 4}, {0, 6}, {6, 7}}));
  EXPECT_EQ(box_at(whole(0,
                         {
                             5, 6
  }),
                   {2, 1}),
            (Box{{0, 5}, {0, 6}}));
}

TEST(Vertices, are_alike_if_all_their_boxes_have_equal_sizes) {
  ComputeSet set;
  set.grid = {
      {3, 2},
      TileId{0}
  };
  set.operands = {
      {blocked(0, {5, 8}, {2, 4}, {0, 1}), false},
      {whole(1, {8}), true}
  };
  const VertexClasses classes = alike_vertices(set);
  EXPECT_EQ(classes.of_vertex, (std::vector<int32_t>{0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(classes.representative, (std::vector<int64_t>{0, 4}));
}

TEST(Vertices, share_a_box_if_no_axis_moves_it_between_them) {
  const VertexGrid grid{
      {2, 2, 2},
      TileId{0}
  };
  const VertexClasses classes = shared_boxes(blocked(0, {8, 4}, {4, 2}, {2, 0}), grid);
  EXPECT_EQ(classes.of_vertex, (std::vector<int32_t>{0, 1, 0, 1, 2, 3, 2, 3}));
  EXPECT_EQ(classes.representative, (std::vector<int64_t>{0, 1, 4, 5}));
}

TEST(Targets, are_one_design_at_three_clocks) {
  EXPECT_EQ(target_preset("gc200").take().clock_hz, 1.33e9);
  EXPECT_EQ(target_preset("bow").take().clock_hz, 1.85e9);
  EXPECT_EQ(target_preset("c600").take(), Target{});
  EXPECT_EQ(target_preset("c600").take().bytes_per_tile, 638976);
  EXPECT_EQ(target_preset("mk1").error().kind, ErrorKind::Usage);
}

}  // namespace
}  // namespace tessera
