// SPDX-License-Identifier: Apache-2.0
// A model on several IPUs answers to the bit as on one, however it is spread over them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <numeric>
#include <random>
#include <set>

#include "compiler/convert.h"
#include "compiler/parallel.h"
#include "cost/by_ipu.h"
#include "cost/links.h"
#include "program/boxes.h"
#include "serving/offline_runner.h"
#include "tests/e2e/build.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kRows = 8, kLength = 16;

std::vector<Request> draw_requests(size_t count) {
  std::mt19937 random(7);
  std::vector<Request> requests(count);
  for (Request& request : requests) {
    const size_t length = 1 + random() % kLength;
    for (size_t i = 0; i < length; ++i) {
      request.tokens["input_ids"].push_back(static_cast<int32_t>(random() % 100));
      request.tokens["token_type_ids"].push_back(static_cast<int32_t>(random() % 2));
    }
  }
  return requests;
}

using Answers = std::vector<std::map<std::string, std::vector<std::byte>>>;

Answers answers(const std::shared_ptr<const Executable>& executable,
                MachineKind kind = MachineKind::Direct, size_t requests = 40) {
  MachineOptions machine;
  machine.threads = 1;
  machine.kind = kind;
  const auto runner = e2e::load(executable, machine);
  if (!runner) return {};
  auto result = run_offline(*runner, PackPolicy::FirstFit, draw_requests(requests));
  EXPECT_TRUE(result.ok()) << result.error().message;
  Answers all;
  if (!result.ok()) return all;
  for (Answer& answer : result->answers)
    all.emplace_back(answer.outputs.begin(), answer.outputs.end());
  return all;
}

// A node from the middle of the model.
std::string node_in_the_middle(const CompileOptions& options) {
  const auto model = convert(e2e::tiny_bert(), options);
  EXPECT_TRUE(model.ok()) << model.error().message;
  std::vector<std::string> names;
  for (const auto& node : model->graph.nodes())
    if (!node->origin.empty()) names.push_back(node->origin.back());
  return names.at(names.size() / 2);
}

struct Way {
  std::string name;
  int64_t ipus;
  std::function<void(CompileOptions&)> set;
  bool by_rows = false;  // of which packing form A has no independent ones
};
void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

std::vector<Way> ways() {
  const auto cut = [](CompileOptions& o) { o.sharding = Sharding::Auto; };
  const auto pipeline = [](CompileOptions& o) {
    o.sharding = Sharding::Auto;
    o.enable_pipelining = true;
    o.batches_per_step = 8;
  };
  const auto by_hand = [](CompileOptions& o) {
    const std::string node = node_in_the_middle(o);
    o.manual_sharding_config.entries = {
        {node, 0, 0}
    };
    o.enable_pipelining = true;
  };
  const auto replicas = [](CompileOptions& o) { o.replication_factor = o.num_ipus; };
  const auto both = [](CompileOptions& o) {
    o.replication_factor = 2;
    o.sharding = Sharding::Auto;
  };
  const auto tensor = [](CompileOptions& o) { o.sharding = Sharding::Tensor; };
  const auto both_together = [](CompileOptions& o) {
    o.replication_factor = 2;
    o.sharding = Sharding::Tensor;
  };
  const auto best = [](CompileOptions& o) { o.parallel = Parallel::Auto; };
  return {
      {"sharding_2", 2, cut},
      {"sharding_4", 4, cut},
      {"pipeline_2", 2, pipeline},
      {"pipeline_4", 4, pipeline},
      {"by_hand_2", 2, by_hand},
      {"replicas_2", 2, replicas, true},
      {"replicas_4", 4, replicas, true},
      {"replicas_cut_4", 4, both, true},
      {"tensor_2", 2, tensor},
      {"tensor_4", 4, tensor},
      {"replicas_tensor_4", 4, both_together, true},
      {"parallel_2", 2, best},
  };
}

class Ways : public ::testing::TestWithParam<Way> {
 protected:
  static CompileOptions spread(CompileOptions options) {
    options.num_ipus = GetParam().ipus;
    GetParam().set(options);
    return options;
  }
};

TEST_P(Ways, answer_as_one_ipu_does) {
  for (const Precision precision : {Precision::Fp32, Precision::Fp16}) {
    const CompileOptions one = e2e::options_for(kRows, kLength, precision);
    const auto several = e2e::build(e2e::tiny_bert(), spread(one));
    ASSERT_TRUE(several);
    if (GetParam().name != "parallel_2") {
      EXPECT_EQ(several->metadata.num_ipus, GetParam().ipus);
    }
    EXPECT_EQ(answers(several), answers(e2e::build(e2e::tiny_bert(), one)));
  }
}

TEST_P(Ways, answer_as_one_ipu_does_when_requests_share_rows) {
  const CompileOptions plain = e2e::options_for(kRows, kLength, Precision::Fp32);
  const CompileOptions form_b = e2e::form_b(plain);
  EXPECT_EQ(answers(e2e::build(e2e::tiny_bert(), spread(form_b))),
            answers(e2e::build(e2e::tiny_bert(), form_b)));
  if (GetParam().by_rows) return;
  const CompileOptions form_a = e2e::form_a(plain, 3 * kRows, kLength);
  EXPECT_EQ(answers(e2e::build(e2e::tiny_bert(), spread(form_a))),
            answers(e2e::build(e2e::tiny_bert(), form_a)));
}

TEST_P(Ways, no_tile_needs_what_was_not_sent_to_it) {
  const CompileOptions options = spread(e2e::options_for(kRows, kLength, Precision::Fp32));
  const auto executable = e2e::build(e2e::tiny_bert(), options);
  EXPECT_EQ(answers(executable, MachineKind::Isolated, 4),
            answers(executable, MachineKind::Direct, 4));
}

INSTANTIATE_TEST_SUITE_P(, Ways, ::testing::ValuesIn(ways()),
                         [](const auto& way) { return way.param.name; });

double seconds(const CompileOptions& options) {
  const auto executable = e2e::build(e2e::tiny_bert(), options);
  return executable ? executable->metadata.cycles.seconds_per_batch : 0;
}

CompileOptions cut_over(int64_t ipus, Precision precision = Precision::Fp16) {
  CompileOptions options = e2e::options_for(kRows, kLength, precision);
  options.num_ipus = ipus;
  options.sharding = Sharding::Auto;
  return options;
}

TEST(Sharding, holds_what_one_ipu_does_not) {
  CompileOptions one = e2e::options_for(kRows, kLength, Precision::Fp32);
  CompileOptions four = cut_over(4, Precision::Fp32);
  const auto executable = e2e::build(e2e::tiny_bert(), one);
  const int64_t peak = executable->metadata.memory.peak_bytes;
  for (CompileOptions* options : {&one, &four}) options->target.bytes_per_tile = peak * 9 / 10;
  one.available_memory_proportion = four.available_memory_proportion = 0.05;
  const auto alone = compile(e2e::tiny_bert(), one), cut = compile(e2e::tiny_bert(), four);
  ASSERT_TRUE(alone.ok() && cut.ok());
  EXPECT_TRUE(alone->out_of_memory.has_value());
  ASSERT_FALSE(cut->out_of_memory.has_value()) << cut->out_of_memory->message;
  EXPECT_LT(cut->executable.metadata.memory.peak_bytes,
            alone->executable.metadata.memory.peak_bytes);
}

TEST(Sharding, sends_a_value_to_an_ipu_once) {
  const auto executable = e2e::build(e2e::tiny_bert(), cut_over(2));
  const Program& program = executable->program;
  std::set<std::pair<VariableId, int64_t>> sent;
  for (const Superstep& step : program.supersteps) {
    if (link_load(program, step).hops == 0) continue;
    EXPECT_EQ(step.compute.codelet, "copy");
    ASSERT_EQ(step.exchange.size(), 1u);
    const int64_t to = ipus_of(step.compute.grid, program.target).begin;
    EXPECT_TRUE(sent.emplace(step.exchange[0].region.variable, to).second) << step.name;
  }
  EXPECT_FALSE(sent.empty());
}

// Bytes of weights on each IPU's tiles.
std::vector<int64_t> weights_by_ipu(const Program& program) {
  std::vector<int64_t> bytes(static_cast<size_t>(program.target.ipus));
  for (const Variable& variable : program.variables) {
    if (variable.kind != VariableKind::Constant) continue;
    for (int64_t k = 0; k < block_count(variable.mapping); ++k) {
      const int64_t tile = tile_of(variable.mapping, k);
      bytes[static_cast<size_t>(program.target.ipu_of(tile))] +=
          elements(block_at(variable.mapping, k)) * size_of(variable.dtype);
    }
  }
  return bytes;
}

TEST(Tensor, each_ipu_holds_its_share_of_the_weights) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp16);
  const int64_t all = weights_by_ipu(e2e::build(e2e::tiny_bert(), options)->program)[0];
  options.sharding = Sharding::Tensor;
  for (const int64_t ipus : {2, 4}) {
    options.num_ipus = ipus;
    const auto weights = weights_by_ipu(e2e::build(e2e::tiny_bert(), options)->program);
    EXPECT_EQ(std::accumulate(weights.begin(), weights.end(), int64_t{0}), all) << "none twice";
    for (const int64_t bytes : weights) {
      EXPECT_GE(bytes, all / ipus * 8 / 10);
      EXPECT_LE(bytes, all / ipus * 12 / 10);
    }
  }
}

TEST(Tensor, has_no_stages) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp16);
  options.num_ipus = 2;
  options.sharding = Sharding::Tensor;
  options.enable_pipelining = true;
  EXPECT_THAT(compile(e2e::tiny_bert(), options).error().message,
              HasSubstr("enable_pipelining: is true, must be false"));
}

TEST(Tensor, is_never_slower_over_faster_links) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp16);
  options.num_ipus = 4;
  options.sharding = Sharding::Tensor;
  double before = seconds(options);
  for (int i = 0; i < 3; ++i) {
    options.target.link_bytes_per_second *= 2;
    const double faster = seconds(options);
    EXPECT_LT(faster, before);
    before = faster;
  }
}

TEST(Sharding, without_a_word_on_how_to_use_more_ipus_is_refused) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  options.num_ipus = 2;
  const auto unused = compile(e2e::tiny_bert(), options);
  ASSERT_FALSE(unused.ok());
  EXPECT_THAT(unused.error().message, HasSubstr("num_ipus: is 2 for each replica, must be 1"));
  options.num_ipus = 1;
  options.enable_pipelining = true;
  EXPECT_THAT(compile(e2e::tiny_bert(), options).error().message,
              HasSubstr("enable_pipelining: is true, must be false"));
}

TEST(Sharding, by_hand_must_name_what_there_is) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  options.num_ipus = 2;
  const auto error = [&](std::vector<ShardEntry> entries) {
    options.manual_sharding_config.entries = std::move(entries);
    const auto result = compile(e2e::tiny_bert(), options);
    return result.ok() ? "" : result.error().message;
  };
  const std::string node = node_in_the_middle(options);
  EXPECT_THAT(error({
                  {"nobody", 0, 0}
  }),
              HasSubstr("there is no node 'nobody'"));
  EXPECT_THAT(error({
                  {node, 2, 0}
  }),
              HasSubstr("device is 2, must be below 2"));
  options.enable_pipelining = true;
  EXPECT_THAT(error({
                  {node, 0, 1}
  }),
              HasSubstr("stage is 1, must be 0"));
  EXPECT_THAT(error({
                  {node, 0, 0},
                  {node, 1, 0}
  }),
              HasSubstr("stage 0 is on devices 0 and 1"));
}

TEST(Replicas, need_rows_that_are_independent) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  options.num_ipus = options.replication_factor = 3;
  EXPECT_THAT(compile(e2e::tiny_bert(), options).error().message,
              HasSubstr("replication_factor: is 3, must divide the rows of input_ids"));
  options.num_ipus = options.replication_factor = 2;
  EXPECT_THAT(compile(e2e::tiny_bert(), e2e::form_a(options, 8, kLength)).error().message,
              HasSubstr("must be 1 in packing form A"));
  options.num_ipus = 3;
  EXPECT_THAT(compile(e2e::tiny_bert(), options).error().message,
              HasSubstr("replication_factor: is 2, must be a divisor of num_ipus, which is 3"));
  options.num_ipus = 2;
  options.input_shape.clear();
  EXPECT_THAT(compile(e2e::tiny_bert(), options).error().message,
              HasSubstr("--input_shape does not give the batch to share"));
}

TEST(Replicas, are_written_and_read_with_the_batch_of_all) {
  CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp32);
  options.num_ipus = options.replication_factor = 2;
  auto compiled = compile(e2e::tiny_bert(), options);
  ASSERT_TRUE(compiled.ok()) << compiled.error().message;
  const std::string path = e2e::scratch_folder() + "/replicas.popef";
  ASSERT_TRUE(write_popef(compiled->executable, path).ok());
  const auto read = ModelRunner::load(path);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const Metadata& metadata = (*read)->executable().metadata;
  EXPECT_EQ(metadata.replication_factor, 2);
  EXPECT_EQ(metadata.num_ipus, 2);
  EXPECT_EQ(metadata.anchors[0].shape, (Shape{kRows, kLength}));
  EXPECT_EQ((*read)->executable().program.target.ipus, 1);
}

TEST(Machines, that_are_better_are_never_slower) {
  for (const bool pipelined : {false, true}) {
    CompileOptions options = cut_over(2);
    options.enable_pipelining = pipelined;
    options.batches_per_step = 16;
    const double usual = seconds(options);
    const auto with = [&](auto change) {
      CompileOptions other = options;
      change(other.target);
      return seconds(other);
    };
    EXPECT_LT(with([](Target& t) { t.link_bytes_per_second *= 2; }), usual);
    EXPECT_LT(with([](Target& t) { t.clock_hz *= 1.25; }), usual);
    EXPECT_LE(with([](Target& t) { t.bytes_per_tile *= 2; }), usual);
    EXPECT_LE(with([](Target& t) { t.links = 8; }), usual);
    CompileOptions more = options;
    more.batches_per_step = 64;
    EXPECT_LT(seconds(more), usual);
  }
}

TEST(Parallel, takes_the_best_of_what_it_has_priced) {
  for (const ParallelGoal goal : {ParallelGoal::Throughput, ParallelGoal::Latency}) {
    CompileOptions options = e2e::options_for(kRows, kLength, Precision::Fp16);
    options.num_ipus = 4;
    options.parallel = Parallel::Auto;
    options.parallel_goal = goal;
    const auto result = compile(e2e::tiny_bert(), options);
    ASSERT_TRUE(result.ok()) << result.error().message;
    // One; tensor, cut and piped over 4; two replicas, each of those; four replicas.
    ASSERT_EQ(result->choices.size(), 8u);
    const auto of = [goal](const ParallelChoice& choice) {
      return goal == ParallelGoal::Latency ? choice.latency_seconds : choice.seconds_per_batch;
    };
    const ParallelChoice* chosen = nullptr;
    for (const ParallelChoice& choice : result->choices)
      if (choice.chosen) chosen = &choice;
    ASSERT_NE(chosen, nullptr);
    for (const ParallelChoice& choice : result->choices) EXPECT_LE(of(*chosen), of(choice));
    EXPECT_THAT(to_string(result->choices, goal),
                HasSubstr("'" + chosen->flags + "' has the least"));
  }
}

TEST(Parallel, says_of_a_way_that_the_model_cannot_have_why) {
  CompileOptions options =
      e2e::form_a(e2e::options_for(kRows, kLength, Precision::Fp32), 8, kLength);
  options.num_ipus = 2;
  options.parallel = Parallel::Auto;
  const auto result = compile(e2e::tiny_bert(), options);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_THAT(result->choices.back().why_not, HasSubstr("must be 1 in packing form A"));
  options.sharding = Sharding::Auto;
  EXPECT_THAT(compile(e2e::tiny_bert(), options).error().message,
              HasSubstr("parallel: is auto, must be none"));
}

}  // namespace
}  // namespace tessera
