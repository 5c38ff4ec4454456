// SPDX-License-Identifier: Apache-2.0
// The cost of reading and verifying a stranger's Program is refused before it is paid: each limit
// is tripped, and raised.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "codelets/codelet.h"
#include "cost/cost.h"
#include "program/boxes.h"
#include "program/messages.h"
#include "program/popef.h"
#include "program/read_popef.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

// `steps` supersteps that copy a tensor of `tiles` elements, one on each tile.
Program copies(int64_t steps, int64_t tiles) {
  std::string text = fmt::format(
      "program copies {{\n  target x tiles={} bytes_per_tile=4000000000 clock_hz=1500000000 "
      "workers=6 macs_f16_partials_f16=64 macs_f16_partials_f32=32 macs_f32=16 "
      "exchange_bytes_per_cycle=4 tiles_per_exchange_bus=2 exchange_efficiency=0.97 "
      "memcpy_bytes_per_cycle=8 weight_load_bytes_per_cycle=8 partials_load_bytes_per_cycle=8 "
      "sync_cycles=130 setup_cycles=120 reserved_bytes=1 stack_bytes=1 "
      "host_bytes_per_second=32000000000 host_run_seconds=0.0002\n",
      tiles);
  const std::string tensor = fmt::format("f32[{}] = by [1] at 0\n", tiles);
  text += "  input q: " + tensor;
  for (int64_t i = 0; i < steps; ++i) text += fmt::format("  output y{}: {}", i, tensor);
  text += "  inputs q\n  outputs";
  for (int64_t i = 0; i < steps; ++i) text += fmt::format(" y{}", i);
  for (int64_t i = 0; i < steps; ++i)
    text += fmt::format(
        "\n  step s{0} {{\n    copy on [{1}] at 0 perm=[0] step=[1]\n    read q [g0*1:1]\n"
        "    write y{0} [g0*1:1]\n  }}",
        i, tiles);
  auto program = parse_program(text + "\n}\n");
  EXPECT_TRUE(program.ok()) << program.error().message;
  return program.take();
}

void expect_refused(const Status& status, std::string_view said) {
  ASSERT_FALSE(status.ok());
  EXPECT_THAT(status.error().message, HasSubstr(said));
  EXPECT_EQ(status.error().kind, ErrorKind::Refused);
  EXPECT_EQ(status.error().type, "limit");
}

// Trips and raises one limit on a Program that is sound.
void expect_bound(const Program& program, int64_t Limits::* field, int64_t too_few, int64_t enough,
                  std::string_view said) {
  Limits limits;
  limits.*field = too_few;
  expect_refused(verify_program(program, check_compute_set, limits), said);
  limits.*field = enough;
  const Status raised = verify_program(program, check_compute_set, limits);
  EXPECT_TRUE(raised.ok()) << raised.error().message;
}

TEST(VerifyLimits, vertices_of_all_supersteps_are_counted_before_one_is_looked_at) {
  expect_bound(copies(3, 100), &Limits::vertices, 299, 300,
               "program: needs vertices = 300, must be at most 299 (--limit vertices=VALUE");
  const Program many = copies(200, 65'536);
  const auto begin = std::chrono::steady_clock::now();
  expect_refused(verify_program(many, check_compute_set), "needs vertices = 13,107,200");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

TEST(VerifyLimits, tiles_that_transfers_deliver_to_count_as_vertices_do) {
  Program program = copies(1, 100);
  const Operand& read = program.supersteps[0].compute.operands[0];
  program.supersteps[0].exchange.assign(5, {read.region, program.supersteps[0].compute.grid});
  expect_bound(program, &Limits::vertices, 599, 600, "needs vertices = 600");
}

TEST(VerifyLimits, blocks_of_all_variables_are_bounded) {
  expect_bound(copies(2, 100), &Limits::blocks, 299, 300,
               "variable 'y1': needs blocks = 300, must be at most 299");
}

TEST(VerifyLimits, comparisons_are_bounded) {
  expect_bound(copies(2, 100), &Limits::comparisons, 600, 10'000, "needs comparisons = ");
}

TEST(VerifyLimits, memory_for_the_price_of_each_tile_and_superstep_is_asked_for_first) {
  expect_bound(copies(2, 100), &Limits::memory, 1000, 100'000, "program: needs memory = ");
}

TEST(VerifyLimits, time_ends_it) {
  Limits limits;
  limits.time = 0;
  expect_refused(verify_program(copies(2, 100), check_compute_set, limits),
                 "took longer than 0 s (--limit time=SECONDS raises it)");
}

TEST(VerifyLimits, many_classes_of_vertices_take_no_more_than_their_number) {
  // Each vertex's box is clipped to another size, and so are 200 operands of it.
  Program program = copies(1, 4096);
  ComputeSet& set = program.supersteps[0].compute;
  set.operands[0].region.dims[0].size = 4096;
  set.operands.insert(set.operands.begin(), 200, set.operands[0]);
  const VertexClasses classes = alike_vertices(set);
  EXPECT_EQ(classes.representative.size(), 4096U);
  EXPECT_EQ(classes.of_vertex[4095], 4095);
}

// --- Messages, before protobuf builds them ---

std::string field(int number, const std::string& content) {
  const auto varint = [](size_t value) {
    std::string bytes;
    for (; value > 127; value >>= 7) bytes += static_cast<char>((value & 127) | 128);
    return bytes + static_cast<char>(value);
  };
  return varint((static_cast<size_t>(number) << 3) | 2) + varint(content.size()) + content;
}

std::string times(size_t count, const std::string& text) {
  std::string all;
  for (size_t i = 0; i < count; ++i) all += text;
  return all;
}

std::string program_error(const std::string& bytes, const Limits& limits = {}) {
  const auto program = program_from(std::as_bytes(std::span(bytes)), limits);
  return program.ok() ? "" : program.error().message;
}

// Fields of popef.proto.
constexpr int kVariables = 3, kSupersteps = 6, kShape = 3, kCompute = 4, kOperands = 4, kRegion = 1,
              kDims = 3, kTokenInputs = 6, kPacking = 21;

TEST(MessageBounds, empty_messages_by_the_million_are_refused) {
  EXPECT_EQ(program_error(times(1'000'000, field(kSupersteps, ""))),
            "has more than 100000 of tessera.popef.Program.supersteps, must have at most 100000");
  const std::string dims = field(kRegion, times(9, field(kDims, "")));
  EXPECT_EQ(program_error(field(kSupersteps, field(kCompute, field(kOperands, dims)))),
            "has more than 8 of tessera.popef.Region.dims, must have at most 8");
  const std::string operands = times(4097, field(kOperands, ""));
  EXPECT_EQ(program_error(field(kSupersteps, field(kCompute, operands))),
            "has more than 4096 of tessera.popef.ComputeSet.operands, must have at most 4096");
}

TEST(MessageBounds, numbers_that_stand_together_count_each) {
  EXPECT_EQ(program_error(field(kVariables, field(kShape, std::string(9, '\1')))),
            "has more than 8 of tessera.popef.Variable.shape, must have at most 8");
}

TEST(MessageBounds, texts_of_the_metadata_are_bounded) {
  const std::string bytes = field(kPacking, times(257, field(kTokenInputs, "")));
  const auto metadata = metadata_from(std::as_bytes(std::span(bytes)));
  EXPECT_EQ(metadata.error().message,
            "has more than 256 of tessera.popef.Packing.token_inputs, must have at most 256");
}

TEST(MessageBounds, what_no_field_has_or_is_cut_off_is_refused) {
  EXPECT_EQ(program_error(field(31, "")), "must be spelled as this version writes it");
  EXPECT_EQ(program_error("\x32\x05"), "is not the protobuf message that it must be");
  EXPECT_EQ(program_error(std::string(11, '\xFF')), "is not the protobuf message that it must be");
}

TEST(MessageBounds, all_messages_together_stay_within_the_limits) {
  const std::string bytes = to_bytes(copies(3, 4));
  ASSERT_EQ(program_error(bytes), "");
  Limits limits;
  limits.messages = 10;
  EXPECT_EQ(program_error(bytes, limits),
            "its messages: needs messages = 11, must be at most 10 (--limit messages=VALUE raises "
            "it)");
  limits = {};
  limits.memory = 4096;
  EXPECT_THAT(program_error(bytes, limits), HasSubstr("its messages: needs memory = 4,608 bytes"));
}

TEST(ReadLimits, a_file_is_refused_with_its_path_and_as_no_bad_file) {
  Limits limits;
  limits.vertices = 1000;
  const std::string path = tessera::test::source_dir() + "/tests/data/hostile/vertices.popef";
  const auto refused = read_popef(path, check_compute_set);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
  EXPECT_THAT(refused.error().message,
              testing::AllOf(testing::StartsWith(path + ": blob 0 (executable"),
                             HasSubstr("program: needs vertices = 13,107,200, must be at most "
                                       "8,388,608 (--limit vertices=VALUE raises it)")));
  limits.memory = 1000;
  EXPECT_THAT(read_popef(path, check_compute_set, limits).error().message,
              HasSubstr("needs memory = "));
}

TEST(PriceLimits, memory_by_superstep_is_that_of_each_superstep_alone) {
  const Program program = copies(3, 4);
  const MemoryReport report = program_memory(program);
  ASSERT_EQ(report.fullest_by_superstep.size(), 3U);
  // One float of the input and of each output that was written: inputs and outputs stay.
  EXPECT_EQ(report.fullest_by_superstep[0].variables, 8);
  EXPECT_EQ(report.fullest_by_superstep[1].variables, 12);
  EXPECT_EQ(report.fullest_by_superstep[2].variables, 16);
  EXPECT_EQ(report.at_peak.variables, 16);
}

}  // namespace
}  // namespace tessera
