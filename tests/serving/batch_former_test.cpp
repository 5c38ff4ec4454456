// SPDX-License-Identifier: Apache-2.0
// The decisions of online packing, one event at a time, under a clock that the test holds.
#include "serving/batch_former.h"

#include <gtest/gtest.h>

#include <random>

#include "serving/rejection.h"
#include "serving/request.h"
#include "tests/helpers/contracts.h"

namespace tessera {
namespace {

using std::chrono::milliseconds;
using Ids = std::vector<RequestId>;

Time ms(int64_t count) { return milliseconds(count); }

// Four rows of ten, ten requests at most; a batch takes 10 ms.
FormerConfig config_of(PackRule rule = PackPolicy::FirstFit) {
  FormerConfig config;
  config.rule = rule;
  config.timeout = ms(15);
  config.batch_time = ms(10);
  return config;
}

BatchFormer create(const FormerConfig& config,
                   const PackingContract& contract = form_b(4, 10, 10)) {
  auto former = BatchFormer::create(contract, config);
  EXPECT_TRUE(former.ok()) << former.error().message;
  return former.take();
}

RequestId submit(BatchFormer& former, int64_t length, Time now, int32_t priority = 0,
                 Time deadline = kNever) {
  auto id = former.submit({length, priority, deadline}, now);
  EXPECT_TRUE(id.ok()) << id.error().message;
  return id.ok() ? *id : ~RequestId{0};
}

Error refusal(BatchFormer& former, int64_t length, Time now, Time deadline = kNever) {
  auto id = former.submit({length, 0, deadline}, now);
  EXPECT_FALSE(id.ok());
  return id.ok() ? Error{} : id.error();
}

Ids ids_of(const FormedBatch& batch) {
  Ids ids;
  for (const FormedBatch::Rider& rider : batch.riders) ids.push_back(rider.id);
  return ids;
}

// The ids of the batch that is closed now, and why.
Ids expect_closed(BatchFormer& former, Time now, CloseReason reason) {
  BatchFormer::Poll poll = former.poll(now);
  EXPECT_TRUE(poll.batch.has_value());
  if (!poll.batch) return {};
  EXPECT_EQ(to_string(poll.batch->reason), to_string(reason));
  return ids_of(*poll.batch);
}

void expect_open(BatchFormer& former, Time now) {
  EXPECT_FALSE(former.poll(now).batch.has_value());
}

TEST(BatchFormer, the_oldest_waits_its_time_and_no_longer) {
  BatchFormer former = create(config_of());
  submit(former, 3, ms(1));
  submit(former, 3, ms(9));
  expect_open(former, ms(15));
  EXPECT_EQ(former.next_wake(ms(15)), ms(16));
  EXPECT_EQ(expect_closed(former, ms(16), CloseReason::Timeout), (Ids{0, 1}));
  EXPECT_EQ(former.next_wake(ms(16)), kNever);
}

TEST(BatchFormer, one_that_does_not_fit_closes_a_batch_and_waits_for_the_next) {
  BatchFormer former = create(config_of());
  for (int i = 0; i < 4; ++i) submit(former, 8, ms(0));
  expect_open(former, ms(0));
  submit(former, 8, ms(0));
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Tokens), (Ids{0, 1, 2, 3}));
  EXPECT_EQ(former.waiting(), 1u);
}

TEST(BatchFormer, as_many_as_a_batch_may_hold_close_it) {
  FormerConfig config = config_of();
  config.max_valid_num = 3;
  BatchFormer former = create(config);
  submit(former, 1, ms(0));
  submit(former, 1, ms(0));
  expect_open(former, ms(0));
  submit(former, 1, ms(0));
  submit(former, 1, ms(0));
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Segments), (Ids{0, 1, 2}));
}

TEST(BatchFormer, no_free_cell_closes_a_batch) {
  BatchFormer former = create(config_of(PackPolicy::Window));
  for (int i = 0; i < 4; ++i) submit(former, 10, ms(0));
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Tokens), (Ids{0, 1, 2, 3}));
}

TEST(BatchFormer, flush_drain_and_close_say_which_they_were) {
  BatchFormer former = create(config_of());
  submit(former, 1, ms(0));
  former.flush(ms(1));
  EXPECT_EQ(former.next_wake(ms(1)), ms(1));
  EXPECT_EQ(expect_closed(former, ms(1), CloseReason::Flush), Ids{0});
  former.done(ms(2));
  submit(former, 1, ms(2));  // came after the flush
  expect_open(former, ms(2));
  former.drain(ms(3));
  EXPECT_EQ(expect_closed(former, ms(3), CloseReason::Drain), Ids{1});
  former.done(ms(4));
  submit(former, 1, ms(4));
  former.close(ms(4));
  const Error error = refusal(former, 1, ms(4));
  EXPECT_EQ(error.message, "pack runner: is closed, must be open to take requests");
  EXPECT_EQ(error.type, rejection::kClosed);
  EXPECT_EQ(expect_closed(former, ms(4), CloseReason::Drain), Ids{2});
}

TEST(BatchFormer, a_busy_machine_gets_the_next_batch_when_waiting_cannot_make_it_better) {
  BatchFormer first_fit = create(config_of());
  BatchFormer window = create(config_of(PackPolicy::Window));
  for (BatchFormer* former : {&first_fit, &window}) {
    for (int i = 0; i < 5; ++i) submit(*former, 8, ms(0));
    EXPECT_EQ(expect_closed(*former, ms(0), CloseReason::Tokens).size(), 4u);
    for (int i = 0; i < 4; ++i) submit(*former, 8, ms(1));
  }
  // In order, the fifth is left out whatever comes; in a window a shorter one may still come.
  EXPECT_EQ(expect_closed(first_fit, ms(1), CloseReason::Tokens), (Ids{4, 5, 6, 7}));
  expect_open(window, ms(1));
  EXPECT_EQ(window.next_wake(ms(1)), ms(10));  // when the machine should be free
  EXPECT_EQ(expect_closed(window, ms(10), CloseReason::Tokens), (Ids{4, 5, 6, 7}));
  // Two are in flight: no third.
  for (int i = 0; i < 8; ++i) submit(window, 8, ms(10));
  expect_open(window, ms(30));
  window.done(ms(31));
  for (int i = 0; i < 60; ++i) submit(window, 8, ms(31));
  EXPECT_EQ(expect_closed(window, ms(31), CloseReason::Tokens).size(), 4u);  // 64 left out
}

TEST(BatchFormer, the_next_batch_is_closed_a_lead_before_the_machine_is_free) {
  FormerConfig config = config_of();
  config.lead = ms(2);
  config.timeout = ms(1);
  BatchFormer former = create(config);
  submit(former, 1, ms(0));
  EXPECT_EQ(expect_closed(former, ms(1), CloseReason::Timeout), Ids{0});
  submit(former, 1, ms(2));
  expect_open(former, ms(8));
  EXPECT_EQ(former.next_wake(ms(8)), ms(9));
  EXPECT_EQ(expect_closed(former, ms(9), CloseReason::Timeout), Ids{1});
}

TEST(BatchFormer, higher_priority_goes_first_behind_the_pinned) {
  FormerConfig config = config_of();
  config.rule.pinned = 1;
  config.max_valid_num = 3;
  BatchFormer former = create(config);
  for (const int32_t priority : {0, 0, 5, 7, 5}) submit(former, 1, ms(0), priority);
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Segments), (Ids{0, 3, 2}));
  former.done(ms(1));
  former.flush(ms(1));
  EXPECT_EQ(expect_closed(former, ms(1), CloseReason::Flush), (Ids{1, 4}));
}

TEST(BatchFormer, in_a_window_priority_comes_before_length) {
  FormerConfig config = config_of(PackPolicy::Window);
  config.rule.pinned = 1;
  BatchFormer former = create(config);
  submit(former, 10, ms(0));
  for (int i = 0; i < 3; ++i) submit(former, 9, ms(0));
  submit(former, 6, ms(0), 1);  // takes a row that a nine wanted
  submit(former, 4, ms(0), 1);
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Tokens), (Ids{0, 4, 5, 1, 2}));
}

TEST(BatchFormer, a_batch_leaves_in_time_for_a_deadline) {
  FormerConfig config = config_of();
  config.margin = ms(1);
  BatchFormer former = create(config);
  submit(former, 1, ms(0));
  submit(former, 1, ms(0), 0, ms(18));
  EXPECT_EQ(former.next_wake(ms(0)), ms(7));
  EXPECT_EQ(expect_closed(former, ms(7), CloseReason::Deadline), (Ids{0, 1}));
}

TEST(BatchFormer, a_deadline_that_cannot_be_met_is_refused_at_once) {
  BatchFormer former = create(config_of());
  Error error = refusal(former, 1, ms(0), ms(9));
  EXPECT_EQ(error.type, rejection::kDeadline);
  EXPECT_EQ(error.kind, ErrorKind::Refused);
  EXPECT_EQ(error.message,
            "request: deadline is in 9.000 ms, must be in at least 10.000 ms, when the next batch "
            "will have ended");
  submit(former, 1, ms(0), 0, ms(10));
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Deadline), Ids{0});
  EXPECT_EQ(refusal(former, 1, ms(1), ms(19)).type, rejection::kDeadline);  // the machine is busy
  submit(former, 1, ms(1), 0, ms(20));
}

TEST(BatchFormer, deadlines_that_even_full_batches_could_not_meet_are_refused) {
  FormerConfig config = config_of();
  config.max_valid_num = 2;
  BatchFormer former = create(config);
  submit(former, 1, ms(0), 0, ms(15));
  submit(former, 1, ms(0), 0, ms(16));
  const Error error = refusal(former, 1, ms(0), ms(17));
  EXPECT_EQ(error.message,
            "request: deadline is in 17.000 ms, must be later: the requests before it fill the 1 "
            "batches until then");
  submit(former, 1, ms(0), 0, ms(20));  // two batches
  EXPECT_EQ(former.metrics().rejected.at("deadline"), 1u);
}

TEST(BatchFormer, without_a_known_batch_time_a_deadline_is_refused) {
  FormerConfig config = config_of();
  config.batch_time = Time(0);
  BatchFormer former = create(config);
  EXPECT_EQ(refusal(former, 1, ms(0), ms(1000)).message,
            "request: has a deadline, must have none where the time of a batch is not known");
}

TEST(BatchFormer, who_can_no_longer_meet_a_deadline_waits_no_more) {
  BatchFormer former = create(config_of());
  submit(former, 1, ms(0));
  former.flush(ms(0));
  EXPECT_EQ(expect_closed(former, ms(0), CloseReason::Flush), Ids{0});
  submit(former, 1, ms(0), 0, ms(20));
  former.set_batch_time(ms(12), ms(9));  // it was slower than thought
  const BatchFormer::Poll poll = former.poll(ms(9));
  EXPECT_EQ(poll.missed, Ids{1});
  EXPECT_FALSE(poll.batch);
  EXPECT_EQ(former.metrics().missed_waiting, 1u);
  EXPECT_EQ(former.waiting(), 0u);
}

TEST(BatchFormer, the_queue_is_bounded_by_requests_and_by_tokens) {
  FormerConfig config = config_of();
  config.max_queue = 2;
  config.max_queue_tokens = 12;
  BatchFormer former = create(config);
  submit(former, 7, ms(0));
  EXPECT_FALSE(former.has_room(6));
  const Error error = refusal(former, 6, ms(0));
  EXPECT_EQ(error.message, "request: queue holds 1 requests of 7 tokens, must have room");
  EXPECT_EQ(error.type, rejection::kQueueFull);
  submit(former, 5, ms(0));
  EXPECT_FALSE(former.has_room(1));
  EXPECT_TRUE(former.cancel(0, ms(0)));
  EXPECT_TRUE(former.has_room(7));
  EXPECT_FALSE(former.cancel(0, ms(0)));
  EXPECT_EQ(former.metrics().most_queue_tokens, 12);
  EXPECT_EQ(former.metrics().queue_tokens, 5);
}

TEST(BatchFormer, the_pinned_always_fit) {
  FormerConfig config = config_of(PackPolicy::Window);
  config.rule.pinned = 8;
  EXPECT_EQ(create(config).pinned(), 4);  // rows
  EXPECT_EQ(create(config, form_a(4, 10, 10, 8)).pinned(), 5);
  EXPECT_EQ(create(config, form_a(4, 10, 3, 8)).pinned(), 3);
  config.max_valid_num = 2;
  EXPECT_EQ(create(config).pinned(), 2);
}

TEST(BatchFormer, numbers_that_are_out_of_range_are_refused) {
  const auto error = [](const FormerConfig& config) {
    auto former = BatchFormer::create(form_b(4, 10, 10), config);
    EXPECT_FALSE(former.ok());
    return former.ok() ? "" : former.error().message;
  };
  EXPECT_EQ(error(config_of(PackPolicy::Spfhp)),
            "pack runner: policy spfhp must know all requests, must be one that packs them as they "
            "come");
  FormerConfig config = config_of();
  config.max_valid_num = 11;
  EXPECT_EQ(error(config), "pack runner: max_valid_num is 11, must be in 0..10");
  config = config_of();
  config.max_queue = 0;
  EXPECT_EQ(error(config), "pack runner: max_queue is 0, must be >= 1");
  config = config_of();
  config.max_queue_tokens = 9;
  EXPECT_EQ(error(config),
            "pack runner: max_queue_tokens is 9, must be 0 or >= 10, the longest request");
  config = config_of();
  config.rule.pinned = -1;
  EXPECT_EQ(error(config), "pack runner: pinned is -1, must be >= 0");
  config = config_of();
  config.timeout = Time(-1);
  EXPECT_EQ(error(config),
            "pack runner: timeout, margin, lead and batch time must be in 0 .. 365 days");
}

// The rules of a batch, whatever came: every request once, in its row, the oldest among them.
class AnyPolicy : public ::testing::TestWithParam<PackPolicy> {};

TEST_P(AnyPolicy, no_request_starves_whatever_comes) {
  for (uint32_t seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    FormerConfig config = config_of(GetParam());
    config.rule.pinned = 1 + random() % 4;
    config.rule.window = 4 + random() % 8;
    const PackingContract contract = seed % 2 ? form_b(4, 10, 10) : form_a(4, 10, 10, 10);
    BatchFormer former = create(config, contract);
    std::map<RequestId, int64_t> waiting;  // id -> batches that it may still see leave
    Time now{0};
    for (int step = 0; step < 2000; ++step) {
      now += std::chrono::microseconds(random() % 2000);
      const auto kind = random() % 10;
      if (kind < 7) {
        const Time deadline = random() % 4 ? kNever : now + ms(10 + random() % 90);
        const auto older = static_cast<int64_t>(waiting.size());
        const auto id = former.submit(
            {1 + static_cast<int64_t>(random() % 10), static_cast<int32_t>(random() % 3), deadline},
            now);
        if (id) waiting[*id] = older / former.pinned() + 1;
      } else if (kind == 7 && !waiting.empty()) {
        const RequestId id = std::next(waiting.begin(), random() % waiting.size())->first;
        EXPECT_TRUE(former.cancel(id, now));
        waiting.erase(id);
      } else if (former.in_flight() > 0) {
        former.done(now);
      }
      for (;;) {
        const BatchFormer::Poll poll = former.poll(now);
        for (const RequestId id : poll.missed) ASSERT_EQ(waiting.erase(id), 1u);
        if (poll.batch) {
          for (const FormedBatch::Rider& rider : poll.batch->riders) {
            ASSERT_EQ(waiting.erase(rider.id), 1u) << "seed " << seed;
          }
          for (auto& [id, left] : waiting) ASSERT_GT(--left, 0) << "seed " << seed;
        }
        if (!poll.batch && poll.missed.empty()) break;
      }
      ASSERT_GT(former.next_wake(now), now) << "would be asked again and again";
    }
    EXPECT_GT(former.metrics().all_batches(), 20u);
  }
}

INSTANTIATE_TEST_SUITE_P(, AnyPolicy,
                         ::testing::Values(PackPolicy::NextFit, PackPolicy::FirstFit,
                                           PackPolicy::BestFit, PackPolicy::Window),
                         [](const auto& policy) { return std::string(to_string(policy.param)); });

}  // namespace
}  // namespace tessera
