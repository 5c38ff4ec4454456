// SPDX-License-Identifier: Apache-2.0
#include "trace/track_events.h"

#include <gtest/gtest.h>

#include "tests/trace/seen_trace.h"

namespace tessera {
namespace {

TEST(TrackEvents, what_is_written_is_read_back) {
  TrackEvents events;
  const Track process = events.process(7, "host");
  const Track row = events.row(process, "work"), thread = events.thread(process, "machine");
  const Track bytes = events.counter(process, "memory", CounterUnit::Bytes);
  const uint64_t flow = events.new_flow();
  events.begin(row, 1, "outer",
               {
                   {"cycles",  int64_t{12}                       },
                   {"balance", 0.5                               },
                   {"codelet", std::string("copy")               },
                   {"nodes",   std::vector<std::string>{"a", "b"}},
                   {"none",    std::vector<std::string>{}        }
  },
               {.through = {flow}, .ending = {}});
  events.begin(row, 1, "inner");
  events.end(row, 3);
  events.instant(row, 3, "answer", {}, {.through = {}, .ending = {flow}});
  events.end(row, 4);
  events.begin(thread, 2, "inner");
  events.end(thread, 3);
  events.count(bytes, 0, 640);
  EXPECT_EQ(events.events(), 5);

  const SeenTrace seen = see_trace(events.bytes());
  const SeenTrack& work = seen.only("work");
  ASSERT_EQ(work.slices.size(), 3u);
  const SeenSlice& outer = work.slices[0];
  EXPECT_EQ(std::tie(outer.name, outer.begin, outer.end, outer.depth),
            std::make_tuple("outer", int64_t{1}, int64_t{4}, size_t{0}));
  EXPECT_EQ(outer.notes.at("cycles").whole, 12);
  EXPECT_EQ(outer.notes.at("balance").real, 0.5);
  EXPECT_EQ(outer.notes.at("codelet").texts, std::vector<std::string>{"copy"});
  EXPECT_EQ(outer.notes.at("nodes").texts, (std::vector<std::string>{"a", "b"}));
  EXPECT_FALSE(outer.notes.contains("none")) << "Perfetto has no empty list";
  EXPECT_EQ(work.slices[1].depth, 1u);
  EXPECT_TRUE(work.slices[2].instant);
  EXPECT_EQ(work.slices[2].ending, outer.flows);
  EXPECT_EQ(work.pid, 7);
  EXPECT_NE(seen.only("machine").tid, 0);
  EXPECT_EQ(seen.only("memory").values, (std::vector<std::pair<int64_t, int64_t>>{
                                            {0, 640}
  }));
}

TEST(TrackEvents, a_process_is_known_by_its_number_and_without_one_is_always_new) {
  TrackEvents events;
  const Track a = events.process(7, "host"), b = events.process(7, "host");
  EXPECT_EQ(a.uuid, b.uuid);
  // Numbers that Linux does not give, as a log may claim.
  for (const int64_t none : {int64_t{0}, int64_t{-1}, int64_t{1} << 40, INT64_MIN, INT64_MAX})
    EXPECT_NE(events.process(none, "host").uuid, events.process(none, "host").uuid) << none;
  EXPECT_EQ(see_trace(events.bytes()).tracks.size(), 11u);
}

TEST(TrackEvents, foreign_names_become_plain_text) {
  TrackEvents events;
  const Track process = events.process(0, "\xff\xfe");
  const Track row = events.row(process, "a\nb\x1b[31m\u202e");
  events.begin(
      row, 0, std::string("nul\0\xc3(", 6),
      {
          {"node",  std::string("\xed\xa0\x80")         },
          {"nodes", std::vector<std::string>{"\xc0\xaf"}}
  });
  events.end(row, 1);
  const SeenTrace seen = see_trace(events.bytes());
  EXPECT_TRUE(seen.processes.contains("\\xff\\xfe"));
  EXPECT_EQ(seen.only("a\\nb\\x1b[31m\\u202e").slices.size(), 1u);
}

TEST(TrackEvents, slices_that_overlap_go_to_rows_of_their_own) {
  TrackEvents events;
  Lanes lanes(events, events.process(0, "host"), "requests");
  const uint64_t first = lanes.lane(0, 10).uuid, second = lanes.lane(5, 20).uuid;
  EXPECT_NE(first, second);
  EXPECT_EQ(lanes.lane(10, 12).uuid, first) << "a row is free when its slice ends";
  EXPECT_EQ(lanes.lane(30, 31).uuid, first) << "the first that is free";
  EXPECT_EQ(see_trace(events.bytes()).named("requests").size(), 2u);
}

}  // namespace
}  // namespace tessera
