// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <set>

#include "codelets/codelet.h"
#include "compiler/plan/attention.h"
#include "compiler/plan/gather.h"
#include "compiler/plan/grid.h"
#include "compiler/plan/matmul.h"
#include "compiler/plan/pack.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::Le;

Target c600(int64_t tiles = 1472) {
  Target target = *target_preset("c600");
  target.tiles = tiles;
  return target;
}

constexpr int64_t kWorking = 383385;  // 0.6 of a tile

int64_t parts(const MatmulShape& shape, const MatmulPlan& plan) {
  return ceil_div(shape.g, plan.g) * ceil_div(shape.m, plan.m) * ceil_div(shape.k, plan.k) *
         ceil_div(shape.n, plan.n);
}

int64_t bytes_of(const MatmulShape& shape, const MatmulPlan& plan) {
  const int64_t b_groups = shape.shared_b ? 1 : plan.g;
  return size_of(shape.dtype) *
         (plan.g * plan.m * plan.k + b_groups * plan.k * plan.n + plan.g * plan.m * plan.n);
}

const MatmulShape kQuery{.m = 4096, .k = 768, .n = 768, .dtype = DType::F16};
const MatmulShape kIntermediate{.m = 4096, .k = 768, .n = 3072, .dtype = DType::F16};
const MatmulShape kPooler{.m = 16, .k = 768, .n = 768, .dtype = DType::F16};
const MatmulShape kScores{.g = 192, .m = 256, .k = 64, .n = 256, .shared_b = false};

TEST(Grid, block_sizes_are_those_of_equal_parts) {
  EXPECT_THAT(block_sizes(10, 10), ElementsAre(10, 5, 4, 3, 2, 1));
  EXPECT_THAT(block_sizes(10, 3), ElementsAre(10, 5, 4));
}

TEST(Grid, dividing_block_sizes_take_the_root_of_a_size_to_find) {
  const int64_t size = int64_t{1} << 40;
  std::vector<int64_t> powers;
  for (int64_t block = size; block > 0; block /= 2) powers.push_back(block);
  EXPECT_EQ(dividing_block_sizes(size, size), powers);
  powers.resize(37);
  EXPECT_EQ(dividing_block_sizes(size, size, 16), powers);
}

// The compile is refused then, whatever the plan is.
TEST(Plan, takes_the_first_cut_that_fits_once_time_is_over) {
  Limits limits;
  limits.time = 0;
  const Deadline over(limits);
  const MatmulPlan first = plan_matmul(kQuery, c600(), kWorking, &over);
  EXPECT_LE(parts(kQuery, first), 1472);
  EXPECT_LE(bytes_of(kQuery, first), kWorking);
  EXPECT_GT(first.cycles, plan_matmul(kQuery, c600(), kWorking).cycles);
  const AttentionShape attention{
      .batch = 16,
      .queries = 128,
      .keys = 128,
      .heads = 12,
      .depth = 64,
      .params = {{"mask", {0}}, {"scale", {0.125}}}
  };
  EXPECT_GT(plan_attention(attention, c600(), kWorking, &over).cycles, 0u);
  const GatherShape words{.v = 30522, .n = 768, .t = 4096};
  EXPECT_GT(plan_gather(words, c600(), kWorking, &over).cycles, 0u);
}

TEST(Grid, block_sizes_are_multiples_of_the_grain_or_all) {
  EXPECT_THAT(block_sizes(40, 100, 16), ElementsAre(40, 32, 16));
  EXPECT_THAT(block_sizes(7, 100, 16), ElementsAre(7));
}

TEST(Grid, dividing_block_sizes_leave_no_rest) {
  EXPECT_THAT(dividing_block_sizes(12, 100), ElementsAre(12, 6, 4, 3, 2, 1));
  EXPECT_THAT(dividing_block_sizes(7, 6), ElementsAre(7));
}

TEST(Grid, rows_are_cut_before_columns) {
  EXPECT_THAT(even_blocks({8, 64}, 4, 8), ElementsAre(2, 64));
}

TEST(Grid, columns_are_cut_where_rows_leave_tiles_idle) {
  EXPECT_THAT(even_blocks({2, 64}, 4, 8), ElementsAre(1, 32));
}

TEST(Grid, a_short_last_dimension_is_one_block) {
  EXPECT_THAT(even_blocks({1, 5}, 1472, 8), ElementsAre(1, 5));
}

TEST(Grid, a_small_tensor_takes_few_of_many_tiles) {
  EXPECT_THAT(even_blocks({4096, 2}, 1472, 8), ElementsAre(32, 2));
  EXPECT_THAT(blocks_within({4096, 2}, 2, 1472), ElementsAre(32, 2));
}

TEST(PlanMatmul, the_chosen_cut_is_among_those_listed_at_its_price) {
  const MatmulShape shape{.m = 512, .k = 768, .n = 768, .dtype = DType::F16};
  const MatmulPlan chosen = plan_matmul(shape, c600(), kWorking);
  const MatmulPlans plans = matmul_plans(shape, c600(), chosen);
  EXPECT_EQ(plans.considered, std::ssize(plans.cheapest));
  EXPECT_LE(plans.cheapest.front().cycles, chosen.cycles);
  const auto found = std::ranges::find_if(plans.cheapest, [&](const MatmulPlan& plan) {
    return plan.m == chosen.m && plan.k == chosen.k && plan.n == chosen.n;
  });
  ASSERT_NE(found, plans.cheapest.end());
  EXPECT_EQ(found->cycles, chosen.cycles);
  EXPECT_EQ(found->bytes, chosen.bytes);
}

TEST(PlanMatmul, uses_most_tiles_where_there_is_work_for_all) {
  for (const MatmulShape& shape : {kQuery, kIntermediate, kScores}) {
    const MatmulPlan plan = plan_matmul(shape, c600(), kWorking);
    EXPECT_THAT(parts(shape, plan), Le(1472));
    EXPECT_THAT(parts(shape, plan), Ge(1472 * 3 / 4));
  }
}

TEST(PlanMatmul, keeps_to_the_memory_it_is_given) {
  for (const MatmulShape& shape : {kQuery, kIntermediate, kScores}) {
    for (int64_t working : {250000, 300000, 400000}) {
      const MatmulPlan plan = plan_matmul(shape, c600(), working);
      EXPECT_THAT(bytes_of(shape, plan), Le(working));
    }
  }
}

TEST(PlanMatmul, finds_a_plan_where_the_memory_holds_none) {
  const MatmulPlan plan = plan_matmul(kQuery, c600(1), 1024);
  EXPECT_EQ(plan.m * plan.serial, 4096);
}

TEST(PlanMatmul, splits_serially_only_where_the_cheapest_cut_does_not_keep_to_the_memory) {
  EXPECT_EQ(plan_matmul(kIntermediate, c600(), kWorking).serial, 1);
  const MatmulPlan plan = plan_matmul(kIntermediate, c600(), 60000);
  EXPECT_GT(plan.serial, 1);
  EXPECT_THAT(plan.bytes, Le(60000));
  EXPECT_GT(plan.cycles, plan_matmul(kIntermediate, c600(), kWorking).cycles);
}

TEST(PlanMatmul, takes_the_cheapest_of_all_serial_splits_that_keep_to_the_memory) {
  const MatmulShape down{.m = 4096, .k = 3072, .n = 768, .dtype = DType::F16};
  for (const MatmulShape& shape : {kQuery, kIntermediate, down}) {
    for (const int64_t working : {30000, 60000, 100000}) {
      const MatmulPlan chosen = plan_matmul(shape, c600(), working);
      for (const Serial along : {Serial::Rows, Serial::Terms}) {
        for (const int64_t count : {2, 4, 8}) {
          MatmulPlan split;
          split.serial = count;
          split.along = along;
          for (const MatmulPlan& plan : matmul_plans(shape, c600(), split).cheapest) {
            if (plan.bytes > working) continue;
            EXPECT_GE(plan.cycles * 103, chosen.cycles * 100);
          }
        }
      }
    }
  }
}

TEST(PlanMatmul, floats_are_split_by_terms_only_as_their_sums_are_cut) {
  const MatmulShape shape{.m = 512, .k = 4096, .n = 1024};
  const int64_t terms = plan_matmul(shape, c600(), kWorking).k;
  for (const int64_t working : {20000, 40000, 60000}) {
    const MatmulPlan plan = plan_matmul(shape, c600(), working);
    EXPECT_EQ(plan.k, terms);
  }
}

TEST(PlanMatmul, neighbours_on_a_bus_share_what_they_receive) {
  Target alone = c600();
  alone.tiles_per_exchange_bus = 1;
  EXPECT_LT(plan_matmul(kIntermediate, c600(), kWorking).cycles,
            plan_matmul(kIntermediate, alone, kWorking).cycles);
}

TEST(PlanMatmul, more_tiles_are_never_slower_than_its_tolerance) {
  for (const MatmulShape& shape : {kQuery, kPooler, kScores}) {
    uint64_t before = UINT64_MAX / 2;
    for (int64_t tiles : {4, 64, 368, 736, 1216, 1472}) {
      const uint64_t cycles = plan_matmul(shape, c600(tiles), kWorking).cycles;
      EXPECT_THAT(cycles, Le(before + before * 3 / 100)) << tiles;
      before = cycles;
    }
  }
}

TEST(PlanMatmul, blocks_are_whole_sixteens) {
  const MatmulPlan plan = plan_matmul(kIntermediate, c600(), kWorking);
  EXPECT_EQ(plan.n % 16, 0);
  EXPECT_EQ(plan.k % 16, 0);
}

TEST(PlanMatmul, a_narrow_result_is_not_cut_along_its_columns) {
  const MatmulShape logits{.m = 4096, .k = 768, .n = 2};
  EXPECT_EQ(plan_matmul(logits, c600(), kWorking).n, 2);
}

TEST(PlanMatmul, a_long_sum_of_few_results_is_cut) {
  const MatmulShape shape{.m = 1, .k = 16384, .n = 16};
  const MatmulPlan plan = plan_matmul(shape, c600(), kWorking);
  EXPECT_LT(plan.k, shape.k);
}

TEST(PlanMatmul, sums_of_f32_are_cut_alike_for_any_number_of_rows) {
  for (int64_t tiles : {4, 1472}) {
    MatmulShape shape{.k = 3072, .n = 768};
    std::set<int64_t> cuts;
    for (int64_t rows : {1, 16, 256, 4096, 16384}) {
      shape.m = rows;
      cuts.insert(plan_matmul(shape, c600(tiles), kWorking).k);
    }
    EXPECT_EQ(cuts.size(), 1u);
  }
}

TEST(PlanMatmul, batches_are_never_cut_along_the_sum) {
  const MatmulShape shape{.g = 2, .m = 1, .k = 16384, .n = 16, .shared_b = false};
  EXPECT_EQ(plan_matmul(shape, c600(), kWorking).k, shape.k);
}

TEST(PlanAttention, keeps_to_the_memory_with_its_scores) {
  AttentionShape shape{
      .batch = 4, .queries = 384, .keys = 384, .heads = 16, .depth = 64, .dtype = DType::F16};
  shape.params = {
      {"scale", {0.125}},
      {"mask",  {0}    }
  };
  for (const int64_t working : {70000, 100000, 200000}) {
    const AttentionPlan plan = plan_attention(shape, c600(), working);
    const int64_t heads = plan.batch * plan.heads;
    const int64_t scores = heads * plan.queries * 384 * 2;
    EXPECT_THAT(heads * (plan.queries + 384) * 64 * 2 + scores, Le(working));
    EXPECT_THAT(2 * scores, Le(working));
  }
}

TEST(PlanAttention, every_tile_has_whole_heads_and_most_have_work) {
  AttentionShape shape{
      .batch = 16, .queries = 256, .keys = 256, .heads = 12, .depth = 64, .dtype = DType::F16};
  shape.params = {
      {"scale", {0.125}},
      {"mask",  {1}    }
  };
  shape.masks = {
      {DType::I32, {16, 256}, false}
  };
  const AttentionPlan plan = plan_attention(shape, c600(), kWorking);
  const int64_t vertices =
      ceil_div(16, plan.batch) * ceil_div(256, plan.queries) * ceil_div(12, plan.heads);
  EXPECT_EQ(12 % plan.heads, 0);
  EXPECT_THAT(vertices, Le(1472));
  EXPECT_THAT(vertices, Ge(1000));
}

TEST(PlanGather, a_large_table_stays_where_few_rows_of_it_are_wanted) {
  const GatherShape words{.v = 30522, .n = 768, .t = 16, .dtype = DType::F16, .table_stays = true};
  const GatherPlan plan = plan_gather(words, c600(), kWorking);
  EXPECT_EQ(plan.t, words.t);
  EXPECT_EQ(plan.n % 4, 0);
  EXPECT_THAT(plan.v * plan.n * 2, Le(2 * 30522 * 768 * 2 / 1472 + 4096));
}

TEST(PlanGather, what_a_tile_works_on_fits) {
  const GatherShape words{
      .v = 30522, .n = 768, .t = 4096, .dtype = DType::F16, .table_stays = true};
  const GatherPlan plan = plan_gather(words, c600(), kWorking);
  EXPECT_THAT((plan.v + plan.t) * plan.n * 2 + plan.t * 4, Le(kWorking));
}

TEST(PlanGather, a_small_table_is_sent_to_the_indices) {
  const GatherShape types{.v = 2, .n = 768, .t = 4096, .dtype = DType::F16, .table_stays = true};
  EXPECT_LT(plan_gather(types, c600(), kWorking).t, types.t);
}

TEST(PlanGather, rows_of_integers_are_not_cut_because_their_parts_are_not_summed) {
  const GatherShape shape{.v = 100000, .n = 4, .t = 8, .dtype = DType::I32, .table_stays = true};
  EXPECT_EQ(plan_gather(shape, c600(), kWorking).v, shape.v);
}

TEST(PlanPack, columns_are_cut_in_eights_and_rows_over_the_tiles_left) {
  const PackCut plan = plan_pack(
      {.from_rows = 4096, .rows = 40, .row_size = 256, .columns = 768, .dtype = DType::F16}, c600(),
      kWorking);
  EXPECT_EQ(plan.columns, 8);
  EXPECT_EQ(plan.rows, 3);
}

TEST(PlanPack, a_token_of_one_element_is_one_column) {
  const PackCut plan = plan_pack({.from_rows = 64, .rows = 8, .row_size = 16}, c600(), kWorking);
  EXPECT_EQ(plan.columns, 1);
  EXPECT_EQ(plan.rows, 1);
}

}  // namespace
}  // namespace tessera
