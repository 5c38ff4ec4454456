// SPDX-License-Identifier: Apache-2.0
// Promised seconds against those that are saved, of one session.
#include <gmock/gmock.h>

#include "packing/offline.h"
#include "packing/pack.h"
#include "serving/request_contract.h"
#include "tests/session/replay_fixture.h"

namespace tessera {
namespace {

using ::testing::EndsWith;

TEST_F(Replay, the_promised_saving_is_what_a_replay_saves) {
  const std::vector<int64_t> lengths = many_lengths();
  const auto sessions = [&] { serve(lengths); };
  EXPECT_LE(
      best_of_ten([&] {
        options_ = plain_;
        const Events log = log_of(sessions);
        const Advice advice = advise(log).at(0);
        EXPECT_EQ(advice.batches, std::ssize(lengths));
        double worst = 0;
        for (const char* name : {"pad to one shape", "2 fitted buckets", "3 fitted buckets"}) {
          const ServingOption& advised = option(advice, name);
          options_.on_recompile = OnRecompile::Pad;
          options_.recompile_limit = 0;
          options_.warm_up = advised.shapes;
          const Events replayed = log_of(sessions);
          EXPECT_EQ(compiles_in(replayed), advised.executables) << name;
          EXPECT_NEAR(useful_share(replayed), advised.useful_share, 1e-9) << name;
          worst = std::max(worst, error_of_option(log, name, replayed));
        }
        return worst;
      }),
      0.1);
}

// Every row of the log's batches is a request; they are packed as the advised command does.
TEST_F(Replay, packing_saves_what_was_promised) {
  const std::vector<int64_t> lengths = many_lengths();
  std::vector<int64_t> requests;
  for (const int64_t length : lengths) requests.insert(requests.end(), 4, length);
  EXPECT_LE(
      best_of_ten([&] {
        options_ = plain_;
        const Events log = log_of([&] { serve(lengths); });
        const ServingOption advised = option(advise(log).at(0), "packing");
        options_.compile.passes = {"insert_attention_mask"};
        std::shared_ptr<ModelRunner> packed;
        const Events replayed = log_of([&] { packed = runner(*open(), advised.shapes.at(0)); });
        EXPECT_EQ(compiles_in(replayed), advised.executables);

        const PackingContract contract = request_contract(packed->executable().metadata).take();
        const auto batches = pack_offline(contract, PackPolicy::Lpfhp, requests).take();
        int64_t useful = 0;
        for (const int64_t length : requests) useful += length;
        const double share = static_cast<double>(useful) /
                             static_cast<double>(std::ssize(batches) * row_tokens(contract));
        EXPECT_DOUBLE_EQ(share, advised.useful_share);
        return error_of_option(log, "packing", replayed);
      }),
      0.1);
}

TEST_F(Replay, a_larger_cache_saves_what_was_promised) {
  std::vector<int64_t> lengths;
  for (int round = 0; round < 6; ++round) lengths.insert(lengths.end(), {20, 30, 40});
  EXPECT_LE(best_of_ten([&] {
              options_ = plain_;
              options_.memory_entries = 1;
              return error_of_slip(
                  AdviceRule::CacheTooSmall, [&] { serve(lengths); },
                  [&](const CompileSlip& small) {
                    EXPECT_THAT(small.command, EndsWith("--memory_entries 3"));
                    follow(small.command);
                  });
            }),
            0.1);
}

// Full batches and one of fewer rows of each length. Where the lengths fall, the larger executables
// are there first, and serve the shorter batches too.
TEST_F(Replay, padding_of_partial_batches_saves_what_was_promised) {
  std::vector<int64_t> rising = lengths_between(20, 44), falling(rising.rbegin(), rising.rend());
  for (const auto& lengths : {rising, falling})
    EXPECT_LE(best_of_ten([&] {
                options_ = plain_;
                return error_of_slip(
                    AdviceRule::PartialBatch, [&] { serve(lengths, {4, 3, 1}); },
                    [&](const CompileSlip& partial) {
                      EXPECT_THAT(partial.command, EndsWith("--on_recompile pad"));
                      follow(partial.command);
                    });
              }),
              0.1);
}

// One process has the full batches, those after it only the partial ones, which its executables
// serve from the disk.
TEST_F(Replay, padding_to_what_others_compiled_saves_what_was_promised) {
  MakeModelOptions deeper = make_model_preset("tiny").take();
  deeper.layers = 4;  // what a look into the folder takes is little beside its compile
  ASSERT_TRUE(tessera::make_model(deeper, model_).ok());
  EXPECT_LE(best_of_ten([&] {
              options_ = plain_;
              options_.cache_dir = cache();
              const auto sessions = [&] {
                for (const int64_t rows : {4, 3, 2, 1}) serve(lengths_between(20, 29), {rows});
              };
              return error_of_slip(AdviceRule::PartialBatch, sessions,
                                   [&](const CompileSlip& partial) { follow(partial.command); });
            }),
            0.1);
}

}  // namespace
}  // namespace tessera
