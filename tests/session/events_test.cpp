// SPDX-License-Identifier: Apache-2.0
#include "session/events.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "session/key.h"
#include "support/file.h"
#include "tests/helpers/paths.h"
#include "tests/helpers/temp_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

RecompileEvent example() {
  RecompileEvent event;
  event.id = 3;
  event.ts_unix_ns = 1700000000123456789;
  event.model = "bert.onnx";
  event.model_sha256 = "00ff";
  event.kind = EventKind::Recompile;
  event.shapes = {
      {"attention_mask", {16, 173}},
      {"input_ids",      {16, 173}}
  };
  event.nearest = 1;
  event.difference = {
      {"attention_mask", 1, "seq", 171, 173},
      {"input_ids",      1, "seq", 171, 173}
  };
  event.phase_ms = {
      {"import", 12.5     },
      {"passes", 7        },
      {"load",   0.1234567}
  };
  event.wall_ms = 27400;
  event.requests_blocked = 4;
  event.run_id = "0123456789abcdef";
  event.pid = 12;
  event.compile_id = "bert.onnx/11";
  event.causes = {Cause::InputShape, Cause::Options};
  event.dtypes = {
      {"input_ids", "int64"}
  };
  event.options = "precision fp16\n";
  event.target = "c600 tiles=1472";
  event.compiler = "0.1.0+0";
  event.key = {"g", "w", "i", "o", "t", "c", "all"};
  event.nearest_key = "other";
  event.distance = 2;
  event.blocked_ms = 61200;
  event.queue_depth = 5;
  event.request_id = 7;
  event.call_site = "serve.py:12";
  event.cpu_ms = 30000;
  event.peak_rss_bytes = 1 << 30;
  event.artifact = {100, 1472, 500, 12345678901234};
  event.cache = {CacheTier::Disk, CacheOutcome::Miss, 3, 4096, "/cache", 0.5, 0.25, 1.5, 0, ""};
  event.policy = {OnRecompile::Pad,
                  PolicyAction::Compiled,
                  {},
                  2,
                  8,
                  "no executable has as many rows and tokens"};
  event.served = {
      {{{"input_ids", {16, 171}}}, 9}
  };
  event.advice = {
      {AdviceRule::ManyShapes, "pad", 12.5}
  };
  return event;
}

std::string error_of(const std::string& line) {
  const auto event = parse_event(line);
  return event.ok() ? "" : event.error().message;
}

// The example's line with one part of it changed.
std::string changed(const std::string& part, const std::string& by) {
  std::string line = to_json_line(example());
  const size_t at = line.find(part);
  EXPECT_NE(at, std::string::npos) << part;
  return line.replace(at, part.size(), by);
}

TEST(Events, a_line_is_one_json_object_of_the_schema) {
  const std::string line = to_json_line(example());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(line.rfind(R"({"schema":"recompile/1","event_id":3,)", 0), 0u) << line;
}

TEST(Events, what_is_written_is_read_back) {
  for (const RecompileEvent& event : {example(), RecompileEvent{}}) {
    const auto again = parse_event(to_json_line(event));
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(*again, event);
    EXPECT_EQ(again->phase_ms, event.phase_ms) << "phases keep their order";
  }
}

TEST(Events, names_that_are_not_utf8_still_make_a_line) {
  RecompileEvent event = example();
  event.model = "b\xFFrt.onnx";
  event.error = "line\nbreak";
  const std::string line = to_json_line(event);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(parse_event(line)->error, event.error);
}

TEST(Events, errors_name_the_field) {
  EXPECT_EQ(error_of("{"), "event is not JSON, must be one object a line");
  EXPECT_EQ(error_of("[1]"), "event must be an object");
  EXPECT_EQ(error_of("{}"), "schema is missing, must be there");
  EXPECT_EQ(error_of(changed("recompile/1", "recompile/2")),
            "schema is 'recompile/2', must be 'recompile/1'");
  EXPECT_EQ(error_of(changed(R"("event_id":3)", R"("event_id":"3")")),
            "event_id must be an integer");
  EXPECT_EQ(error_of(changed(R"("event_id":3)", R"("event_id":18446744073709551615)")),
            "holds the number 18446744073709551615, must hold numbers below 2^63");
  EXPECT_EQ(error_of(changed(R"("name":"bert.onnx")", R"("nam":1)")),
            "model.name is missing, must be there");
  EXPECT_EQ(error_of(changed(R"("input_ids":[16,173])", R"("input_ids":[16,-173])")),
            "shapes.input_ids must be a shape");
  EXPECT_EQ(error_of(changed(R"("input_ids":[16,173])", R"("input_ids":{})")),
            "shapes.input_ids must be a list of sizes");
  EXPECT_EQ(error_of(changed(R"("before":171)", R"("before":-9223372036854775808)")),
            "diff[0] must have sizes of at least 0, or -1 for none");
  EXPECT_EQ(error_of(changed(R"("axis":1)", R"("axis":1.5)")), "diff[0].axis must be an integer");
  EXPECT_EQ(error_of(changed(R"("import":12.5)", R"("import":null)")),
            "time.phases_ms.import must be a number");
  EXPECT_EQ(error_of(changed(R"("impact":{)", R"("impac":{)")), "impact is missing, must be there");
}

TEST(Events, a_change_that_is_no_dimension_is_said_too) {
  RecompileEvent event = example();
  event.changes = {
      {Ingredient::Options, "precision", "fp16", "fp32"}
  };
  EXPECT_THAT(to_human_line(event),
              HasSubstr("(attention_mask too), options precision fp16 -> fp32"));
  EXPECT_EQ(parse_event(to_json_line(event))->changes, event.changes);
}

TEST(Events, a_line_of_an_earlier_version_is_read) {
  const auto event = parse_event(
      R"({"schema":"recompile/1","event_id":1,"ts_unix_ns":5,"model":{"name":"m","sha256":""},)"
      R"("kind":"recompile","cause":"input_shape","shapes":{},"nearest":0,"diff":[],)"
      R"("time":{"phases_ms":{},"wall_ms":1.5},"impact":{"requests_blocked":1},"error":""})");
  ASSERT_TRUE(event.ok()) << event.error().message;
  EXPECT_EQ(event->wall_ms, 1.5);
  EXPECT_THAT(event->causes, ElementsAre(Cause::InputShape));
  EXPECT_EQ(event->policy.stance, OnRecompile::Warn);
}

TEST(Events, errors_name_later_fields_too) {
  EXPECT_EQ(error_of(changed(R"("pid":12)", R"("pid":"x")")), "pid must be an integer");
  EXPECT_EQ(error_of(changed(R"("batches":9)", R"("batches":1.5)")),
            "served[0].batches must be an integer");
  EXPECT_EQ(error_of(changed(R"("est_cycles":12345678901234)", R"("est_cycles":-1)")),
            "artifact.est_cycles must be an integer of at least 0");
  EXPECT_EQ(error_of(changed(R"("tier":"disk")", R"("tier":{})")), "cache.tier must be a string");
}

// "cache.tier" …: the members of an object, and those of the objects in it that have fixed names.
void collect(const nlohmann::json& object, const std::string& where, std::set<std::string>& names) {
  const std::set<std::string> free_names = {"shapes", "dtypes", "time.phases_ms",
                                            "policy.padded_to"};
  for (const auto& [name, value] : object.items()) {
    const std::string path = where + name;
    if (value.is_object() && !free_names.contains(path))
      collect(value, path + ".", names);
    else
      names.insert(path);
  }
}

TEST(Events, every_field_is_in_the_docs) {
  const std::string page =
      read_text_file(tessera::test::source_dir() + "/docs/recompiles.md").take();
  std::set<std::string> names;
  collect(nlohmann::json::parse(to_json_line(example())), "", names);
  EXPECT_GE(names.size(), 60u);
  for (const std::string& name : names) EXPECT_THAT(page, HasSubstr("`" + name + "`"));
}

TEST(Events, any_line_cut_or_changed_is_an_error_or_an_event_and_never_a_crash) {
  const std::string line = to_json_line(example());
  for (size_t i = 0; i < line.size(); ++i) {
    EXPECT_NE(error_of(line.substr(0, i)), "");
    for (const char c : {'"', '{', ']', '9', '\0', '\xFF'}) {
      std::string other = line;
      other[i] = c;
      const auto event = parse_event(other);
      if (event.ok()) to_human_line(*event);
    }
  }
}

TEST(Events, people_read_cause_difference_and_price) {
  EXPECT_EQ(to_human_line(example()),
            "recompile #3 bert.onnx  27.4 s  cause=input_shape  input_ids axis 1 (seq) 171 -> 173 "
            "(attention_mask too)  nearest #1  blocked 4 requests 61.2 s");
  RecompileEvent first;
  first.model = "bert.onnx";
  first.kind = EventKind::ColdCompile;
  first.causes = {Cause::FirstSeen};
  first.shapes = {
      {"input_ids", {4, 8}}
  };
  first.wall_ms = 81.6;
  first.requests_blocked = 1;
  first.error = "no room";
  EXPECT_EQ(to_human_line(first),
            "cold_compile #0 bert.onnx  82 ms  cause=first_seen  input_ids [4,8]  blocked 1 "
            "request  failed: no room");
  RecompileEvent closed;
  closed.kind = EventKind::Closed;
  closed.id = 2;
  closed.model = "bert.onnx";
  EXPECT_EQ(to_human_line(closed), "closed #2 bert.onnx");
}

class EventFile : public ::testing::Test {
 protected:
  const TempFolder folder_;
  const std::string path_ = folder_ / "events.jsonl";
};

TEST_F(EventFile, is_read_line_by_line) {
  RecompileEvent second = example();
  second.id = 4;
  ASSERT_TRUE(append_line(path_, to_json_line(example())).ok());
  ASSERT_TRUE(append_line(path_, "").ok());
  ASSERT_TRUE(append_line(path_, to_json_line(second)).ok());
  const auto events = read_events(path_);
  ASSERT_TRUE(events.ok()) << events.error().message;
  EXPECT_EQ(*events, (std::vector<RecompileEvent>{example(), second}));
}

TEST_F(EventFile, a_line_cut_off_by_a_kill_is_left_out) {
  const std::string line = to_json_line(example());
  ASSERT_TRUE(write_file_atomic(path_, line + "\n" + line.substr(0, line.size() / 2)).ok());
  const auto events = read_events(path_);
  ASSERT_TRUE(events.ok()) << events.error().message;
  EXPECT_EQ(events->size(), 1u);
}

TEST_F(EventFile, torn_lines_are_left_out_and_told_of) {
  const std::string line = to_json_line(example());
  ASSERT_TRUE(write_file_atomic(path_, line + "\n" + line.substr(0, 50)).ok());
  ASSERT_TRUE(append_line(path_, line).ok());
  ASSERT_TRUE(append_line(path_, line.substr(0, 1)).ok());
  std::string warning;
  const auto events = read_events(path_, &warning);
  ASSERT_TRUE(events.ok()) << events.error().message;
  EXPECT_EQ(events->size(), 2u);
  EXPECT_EQ(warning, path_ + ": 2 lines were cut off and left out: line 2, 4");
}

TEST_F(EventFile, an_event_of_another_version_is_left_out_and_told_of) {
  ASSERT_TRUE(append_line(path_, to_json_line(example())).ok());
  ASSERT_TRUE(append_line(path_, changed(R"("rule":"many_shapes")", R"("rule":"brew")")).ok());
  ASSERT_TRUE(append_line(path_, R"({"schema":)").ok());
  ASSERT_TRUE(append_line(path_, changed(R"("action":"compiled")", R"("action":"\u001b")")).ok());
  std::string warning;
  const auto events = read_events(path_, &warning);
  ASSERT_TRUE(events.ok()) << events.error().message;
  EXPECT_EQ(*events, std::vector<RecompileEvent>{example()});
  EXPECT_EQ(warning,
            path_ + ": 1 line was cut off and left out: line 3; " + path_ +
                ": 2 lines were of another version and left out: line 2 (advice[0].rule is 'brew', "
                "must be " +
                list_of_words<AdviceRule>() + "), 4 (policy.action is '\\x1b', must be " +
                list_of_words<PolicyAction>() + ")");
}

TEST_F(EventFile, errors_say_the_line) {
  ASSERT_TRUE(append_line(path_, to_json_line(example())).ok());
  ASSERT_TRUE(append_line(path_, "rubbish").ok());
  const auto events = read_events(path_);
  ASSERT_FALSE(events.ok());
  EXPECT_EQ(events.error().kind, ErrorKind::BadFile);
  EXPECT_EQ(events.error().message,
            path_ + ": line 2: event is not JSON, must be one object a line");
}

TEST_F(EventFile, a_line_is_bounded_before_it_is_parsed) {
  EXPECT_EQ(parse_event("{\"a\": " + std::string(1 << 20, '[') + "}").error().message,
            "is nested 33 deep, must be at most 32");
  EXPECT_EQ(parse_event(std::string((16 << 20) + 1, ' ')).error().message,
            "line 1 has 16777217 bytes, must have at most 16777216");
}

TEST_F(EventFile, a_log_is_read_within_the_limits) {
  ASSERT_TRUE(append_line(path_, to_json_line(example())).ok());
  Limits limits;
  limits.memory = 10'000;
  const auto refused = read_events(path_, nullptr, limits);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
  EXPECT_THAT(refused.error().message, HasSubstr(path_ + ": needs memory = "));
  limits.memory = 1'000'000;
  EXPECT_TRUE(read_events(path_, nullptr, limits).ok());
  limits.time = 0;
  EXPECT_THAT(read_events(path_, nullptr, limits).error().message, HasSubstr("took longer than"));
}

TEST_F(EventFile, counts_are_not_negative) {
  RecompileEvent event = example();
  event.served = {
      {{{"x", {1}}}, -1}
  };
  EXPECT_THAT(parse_event(to_json_line(event)).error().message,
              HasSubstr("batches must not be negative"));
}

TEST_F(EventFile, that_is_missing_is_an_error_with_its_path) {
  const auto events = read_events(path_);
  ASSERT_FALSE(events.ok());
  EXPECT_THAT(events.error().message, HasSubstr(path_));
}

}  // namespace
}  // namespace tessera
