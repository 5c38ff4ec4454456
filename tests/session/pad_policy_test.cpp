// SPDX-License-Identifier: Apache-2.0
// Batches on a larger executable, and compiles in the background of the shapes that they have.
#include <gmock/gmock.h>

#include <filesystem>

#include "tests/session/policy_fixture.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(Policy, pad_runs_on_the_nearest_larger_and_answers_in_the_callers_shape) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16), shapes(4, 12), shapes(8, 32)};
  const auto session = open();
  for (const auto& [rows, length] : {
           std::pair(4, 9), {1, 16},
             {3, 13},
             {4, 9 },
             {5, 12}
  }) {
    const HostTensors padded = run(*session, rows, length);
    EXPECT_LE(largest_difference(padded, exact(rows, length)), 1e-5) << rows << " " << length;
  }
  const std::vector<RecompileEvent> events = session->events();
  ASSERT_EQ(events.size(), 8u);
  const std::vector<InputShapes> larger = {shapes(4, 12), shapes(4, 16), shapes(4, 16),
                                           shapes(4, 12), shapes(8, 32)};
  for (size_t i = 0; i < larger.size(); ++i) {
    EXPECT_EQ(events[3 + i].kind, EventKind::BucketHit);
    EXPECT_EQ(events[3 + i].policy.action, PolicyAction::PaddedTo);
    EXPECT_EQ(events[3 + i].policy.padded_to, larger[i]) << i;
    EXPECT_EQ(events[3 + i].request_id, static_cast<int64_t>(i));
  }
  EXPECT_THAT(told_.back(), HasSubstr("padded to input_ids [8,32]"));
}

TEST_F(Policy, pad_agrees_in_half_precision_up_to_its_rounding) {
  options_.on_recompile = OnRecompile::Pad;
  options_.compile.precision = Precision::Fp16;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  const HostTensors padded = run(*session, 2, 11);
  EXPECT_EQ(padded.at("start_logits").shape, (Shape{2, 11}));
  EXPECT_LE(largest_difference(padded, exact(2, 11)), 0.01);
}

TEST_F(Policy, pad_compiles_where_nothing_is_large_enough) {
  options_.on_recompile = OnRecompile::Pad;
  const auto session = open();
  run(*session, 2, 8);
  run(*session, 2, 9);
  run(*session, 1, 9);
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::Recompile, EventKind::BucketHit));
  EXPECT_EQ(session->events()[1].policy.why_not_padded,
            "no executable has as many rows and tokens");
}

TEST_F(Policy, pad_takes_a_larger_one_from_the_disk) {
  options_.cache_dir = folder_ / "cache";
  run(*open(), 4, 16);
  options_.on_recompile = OnRecompile::Pad;
  const auto session = open();
  run(*session, 2, 9);
  EXPECT_THAT(kinds(*session), ElementsAre(EventKind::CacheLoad, EventKind::BucketHit));
}

TEST_F(Policy, pad_refuses_a_model_for_which_it_is_not_exact) {
  options_.on_recompile = OnRecompile::Pad;
  options_.compile.skip_passes = {"fuse_attention"};  // then nothing proves what the mask means
  const auto session = open();
  run(*session, 2, 8);
  const Error refused = error(*session, shapes(2, 7));
  EXPECT_EQ(refused.kind, ErrorKind::Refused);
  EXPECT_THAT(refused.message, HasSubstr("padding would not be exact: "));
  EXPECT_THAT(session->events().back().policy.why_not_padded, Not(IsEmpty()));
}

TEST_F(Policy, a_runner_for_exactly_these_shapes_is_compiled_under_pad) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  runner(*session, shapes(4, 9));
  EXPECT_THAT(kinds(*session), ElementsAre(EventKind::ColdCompile, EventKind::Recompile));
}

TEST_F(Policy, padded_input_of_a_wrong_size_is_named) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  const Batch batch(2, 9);
  InputViews views = batch.views();
  views.at("input_ids").bytes = views.at("input_ids").bytes.first(8);
  const auto outputs = session->run(views);
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(outputs.error().message, "input_ids: has 8 bytes, must have 144");
}

TEST_F(Policy, a_row_that_its_mask_hides_is_not_padded) {
  options_.on_recompile = OnRecompile::Pad;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  Batch batch(2, 9);
  std::fill_n(batch.values["attention_mask"].begin() + 9, 9, 0);
  const auto outputs = session->run(batch.views());
  ASSERT_FALSE(outputs.ok());
  EXPECT_EQ(
      outputs.error().message,
      "attention_mask: row 1 has no token, must have a token that the model sees to be padded");
}

TEST_F(Policy, the_exact_executable_is_compiled_in_the_background) {
  options_.on_recompile = OnRecompile::Pad;
  options_.background = true;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  run(*session, 2, 9);
  session->finish_background();
  run(*session, 2, 9);
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::BucketHit, EventKind::Recompile));
  const RecompileEvent event = session->events()[2];
  EXPECT_EQ(event.request_id, -1);
  EXPECT_EQ(event.requests_blocked, 0);
  EXPECT_EQ(event.policy.budget_used, 1);
}

TEST_F(Policy, the_background_stays_within_the_limit) {
  options_.on_recompile = OnRecompile::Pad;
  options_.background = true;
  options_.recompile_limit = 1;
  options_.warm_up = {shapes(4, 16)};
  const auto session = open();
  for (int64_t length : {9, 10, 11}) {
    run(*session, 2, length);
    session->finish_background();
  }
  EXPECT_THAT(kinds(*session),
              ElementsAre(EventKind::ColdCompile, EventKind::BucketHit, EventKind::Recompile,
                          EventKind::BucketHit, EventKind::BucketHit));
}

}  // namespace
}  // namespace tessera
