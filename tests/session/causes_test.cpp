// SPDX-License-Identifier: Apache-2.0
// One ingredient changes at a time: exactly one event, and its cause is that ingredient. Where
// nothing else is said, one session compiles into a cache folder, and a second one, which shares
// nothing but that folder, meets the change.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <functional>

#include "session/disk_cache.h"
#include "session/key.h"
#include "support/file.h"
#include "tests/session/session_fixture.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Causes : public SessionTest {
 protected:
  Causes() { options_.cache_dir = folder_ / "cache"; }

  // The events of a session that is asked for one batch.
  std::vector<RecompileEvent> ask(const InputShapes& shapes) {
    const auto session = open();
    runner(*session, shapes);
    return session->events();
  }
  RecompileEvent one_event(const InputShapes& shapes) {
    const std::vector<RecompileEvent> events = ask(shapes);
    EXPECT_EQ(events.size(), 1u);
    return events.empty() ? RecompileEvent() : events[0];
  }
  void expect_recompile(const RecompileEvent& event, Cause cause, const std::string& words) {
    EXPECT_EQ(event.kind, EventKind::Recompile);
    EXPECT_THAT(event.causes, ElementsAre(cause));
    EXPECT_THAT(to_human_line(event), HasSubstr(words));
    EXPECT_EQ(event.error, "");
  }
  // The entry of these shapes, which must be the only one.
  std::string entry() const {
    const fs::directory_iterator entries(folder_ / "cache/v1/entries");
    EXPECT_NE(entries, fs::directory_iterator());
    return entries->path();
  }
};

TEST_F(Causes, nothing_known_is_first_seen) {
  const RecompileEvent event = one_event(shapes(2, 8));
  EXPECT_EQ(event.kind, EventKind::ColdCompile);
  EXPECT_EQ(event.cause(), Cause::FirstSeen);
  EXPECT_EQ(event.nearest_key, "");
  EXPECT_EQ(event.cache.tier, CacheTier::Disk);
  EXPECT_EQ(event.cache.outcome, CacheOutcome::Miss);
  EXPECT_EQ(event.cache.entries, 1);
  EXPECT_GT(event.cache.bytes, 0);
}

TEST_F(Causes, nothing_changed_is_a_load_that_says_what_it_saved) {
  const RecompileEvent compiled = one_event(shapes(2, 8));
  const RecompileEvent loaded = one_event(shapes(2, 8));
  EXPECT_EQ(loaded.kind, EventKind::CacheLoad);
  EXPECT_EQ(loaded.cache.outcome, CacheOutcome::Hit);
  EXPECT_EQ(loaded.key, compiled.key);
  EXPECT_GT(loaded.cache.saved_seconds, 0);
  EXPECT_LT(loaded.cache.saved_seconds, compiled.wall_ms / 1e3);
  EXPECT_EQ(loaded.model_sha256, compiled.model_sha256);
  EXPECT_EQ(loaded.artifact, compiled.artifact);
}

TEST_F(Causes, inputs_that_follow_by_symbol_are_the_same_key) {
  one_event(shapes(2, 8));
  EXPECT_EQ(one_event({
                          {"input_ids", {2, 8}}
  })
                .kind,
            EventKind::CacheLoad);
}

TEST_F(Causes, axis_0) {
  one_event(shapes(2, 8));
  const RecompileEvent event = one_event(shapes(3, 8));
  expect_recompile(
      event, Cause::InputShape,
      "input_ids axis 0 (batch) 2 -> 3 (attention_mask, token_type_ids too)  nearest ");
  EXPECT_EQ(event.nearest, -1) << "it is not an event of this session";
  EXPECT_EQ(event.nearest_key.size(), 64u);
  EXPECT_EQ(event.distance, 1);
}

TEST_F(Causes, axis_1) {
  one_event(shapes(2, 8));
  expect_recompile(one_event(shapes(2, 9)), Cause::InputShape, "input_ids axis 1 (seq) 8 -> 9");
}

TEST_F(Causes, dtype) {
  one_event(shapes(2, 8));
  // The declared element type of input_ids: 7 is int64, 6 is int32.
  std::string model = read_text_file(model_).take();
  size_t name = model.find("input_ids\x12");
  while (name != std::string::npos && model.substr(name + 13, 2) != "\x08\x07")
    name = model.find("input_ids\x12", name + 1);
  ASSERT_NE(name, std::string::npos);
  model[name + 14] = 6;
  ASSERT_TRUE(write_file_atomic(model_, model).ok());
  expect_recompile(one_event(shapes(2, 8)), Cause::InputDtype, "inputs input_ids int64 -> int32");
}

TEST_F(Causes, input_set) {
  one_event(shapes(2, 8));
  // Protobuf joins a second graph to the first: one more input, "more: int64[2,8]".
  const std::string input(
      "\x0a\x04more\x12\x0e\x0a\x0c\x08\x07\x12\x08\x0a\x02\x08\x02\x0a\x02\x08\x08", 22);
  const std::string graph = std::string("\x5a\x16") + input;
  const std::string model = read_text_file(model_).take();
  ASSERT_TRUE(write_file_atomic(model_, model + "\x3a\x18" + graph).ok());
  expect_recompile(one_event(shapes(2, 8)), Cause::InputSet, "more axis 0 (batch) none -> 2");
}

TEST_F(Causes, graph) {
  one_event(shapes(2, 8));
  std::string model = read_text_file(model_).take();
  const size_t name = model.find("\x1a\x0aSoftmax_80");  // of a node
  ASSERT_NE(name, std::string::npos);
  model.replace(name + 2, 10, "Another_80");
  ASSERT_TRUE(write_file_atomic(model_, model).ok());
  expect_recompile(one_event(shapes(2, 8)), Cause::Graph, "graph ");
}

TEST_F(Causes, weights) {
  const RecompileEvent before = one_event(shapes(2, 8));
  make_model(7);
  const RecompileEvent event = one_event(shapes(2, 8));
  expect_recompile(event, Cause::Weights, "weights " + before.key.weights.substr(0, 12) + " -> ");
  EXPECT_NE(event.model_sha256, before.model_sha256);
}

TEST_F(Causes, weights_that_change_below_an_open_session) {
  const auto session = open();
  runner(*session, shapes(2, 8));
  make_model(7);
  runner(*session, shapes(2, 8));
  const std::vector<RecompileEvent> events = session->events();
  ASSERT_EQ(events.size(), 2u);
  expect_recompile(events[1], Cause::Weights, "nearest #0");
}

TEST_F(Causes, each_option) {
  one_event(shapes(2, 8));
  const CompileOptions before = options_.compile;
  const auto expect = [&](const std::string& words,
                          const std::function<void(CompileOptions&)>& change) {
    options_.compile = before;
    change(options_.compile);
    const RecompileEvent event = one_event(shapes(2, 8));
    expect_recompile(event, Cause::Options, "options " + words);
    fs::remove_all(folder_ / "cache/v1/entries/" + event.key.total);  // the base stays nearest
  };
  using Options = CompileOptions;
  expect("precision fp32 -> fp16", [](Options& o) { o.precision = Precision::Fp16; });
  expect("partials_type half -> float", [](Options& o) { o.partials_type = PartialsType::Float; });
  expect("available_memory_proportion 0.6 -> 0.5",
         [](Options& o) { o.available_memory_proportion = 0.5; });
  expect("pack_args none -> max_valid_num=4 segment_max_size=8",
         [](Options& o) { o.pack_args = PackArgs{4, 8}; });
  expect("passes none -> insert_attention_mask",
         [](Options& o) { o.passes = {"insert_attention_mask"}; });
  expect("skip_passes none -> fuse_gelu", [](Options& o) { o.skip_passes = {"fuse_gelu"}; });
  expect("fp16_skip_op_types none -> Softmax",
         [](Options& o) { o.fp16_skip_op_types = {"Softmax"}; });
}

TEST_F(Causes, target) {
  one_event(shapes(2, 8));
  options_.compile.target.sync_cycles += 1;
  expect_recompile(one_event(shapes(2, 8)), Cause::Target, "target sync_cycles 130 -> 131");
}

TEST_F(Causes, compiler_version) {
  const RecompileEvent now = one_event(shapes(2, 8));
  // The same entry as another compiler would have left it.
  {
    const auto cache = DiskCache::open(folder_ / "cache", int64_t{1} << 30).take();
    KeyRecord record = cache->records().at(0);
    Executable executable = *cache->find(record.key).executable;
    fs::remove_all(entry());
    record.key.compiler = "0.0.9+old";
    set_digests(record.key);
    const auto lock = cache->lock(record.key, std::chrono::seconds(10));
    ASSERT_TRUE(cache->store(record, executable).ok());
  }
  const RecompileEvent event = one_event(shapes(2, 8));
  EXPECT_EQ(event.key, now.key);
  expect_recompile(event, Cause::CompilerVersion, "compiler 0.0.9+old -> " + compiler_id());
}

TEST_F(Causes, evicted_from_memory) {
  options_.cache_dir = "";
  options_.memory_entries = 1;
  const auto session = open();
  for (int64_t length : {8, 9, 8}) runner(*session, shapes(2, length));
  const std::vector<RecompileEvent> events = session->events();
  ASSERT_EQ(events.size(), 5u);
  EXPECT_EQ(events[2].kind, EventKind::Evicted);
  EXPECT_EQ(events[2].shapes, shapes(2, 8));
  EXPECT_EQ(events[2].cache.tier, CacheTier::Memory);
  expect_recompile(events[3], Cause::Evicted, "input_ids [2,8]");
  EXPECT_EQ(events[4].kind, EventKind::Evicted);
}

TEST_F(Causes, evicted_from_disk) {
  const RecompileEvent first = one_event(shapes(2, 8));
  options_.cache_limit_bytes = first.cache.bytes * 3 / 2;
  const std::vector<RecompileEvent> second = ask(shapes(2, 9));
  ASSERT_EQ(second.size(), 2u);
  EXPECT_EQ(second[0].cause(), Cause::InputShape);
  EXPECT_EQ(second[1].kind, EventKind::Evicted);
  EXPECT_EQ(second[1].cache.tier, CacheTier::Disk);
  EXPECT_EQ(second[1].key, first.key);
  options_.cache_limit_bytes *= 4;
  expect_recompile(one_event(shapes(2, 8)), Cause::Evicted, "input_ids [2,8]");
}

TEST_F(Causes, corrupt) {
  one_event(shapes(2, 8));
  {
    std::fstream file(entry() + "/executable.popef",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(200).put('\x5a');
  }
  const RecompileEvent event = one_event(shapes(2, 8));
  expect_recompile(event, Cause::Corrupt, "executable.popef");
  EXPECT_EQ(event.cache.outcome, CacheOutcome::Reject);
  EXPECT_FALSE(fs::is_empty(folder_ / "cache/v1/set_aside"));
  EXPECT_EQ(one_event(shapes(2, 8)).kind, EventKind::CacheLoad)
      << "it was compiled and stored again";
}

TEST_F(Causes, untrusted) {
  one_event(shapes(2, 8));
  ::chmod((entry() + "/executable.popef").c_str(), 0666);
  const RecompileEvent event = one_event(shapes(2, 8));
  expect_recompile(event, Cause::Untrusted, "can be written to by others");
  EXPECT_EQ(event.cache.outcome, CacheOutcome::Reject);
}

TEST_F(Causes, another_model_in_the_same_cache_is_no_relative) {
  one_event(shapes(2, 8));
  MakeModelOptions other = make_model_preset("tiny").take();
  other.layers = 1;
  other.seed = 3;
  ASSERT_TRUE(tessera::make_model(other, model_).ok());
  EXPECT_EQ(one_event(shapes(2, 8)).cause(), Cause::FirstSeen);
}

}  // namespace
}  // namespace tessera
