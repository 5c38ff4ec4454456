// SPDX-License-Identifier: Apache-2.0
// Programs as a hostile file may hold them: sound ones with a few numbers changed. Whatever the
// verifier lets pass must be safe to price; under the sanitizers that is what this finds out.
#include <gtest/gtest.h>

#include <random>

#include "codelets/codelet.h"
#include "cost/cost.h"
#include "program/messages.h"
#include "program/text.h"
#include "program/verify.h"
#include "tests/helpers/small_program.h"

namespace tessera {
namespace {

class Numbers {
 public:
  explicit Numbers(Program& program) {
    for_each_field(program.target, [this](const char*, auto& value) {
      if constexpr (std::is_same_v<decltype(value), int64_t&>) all_.push_back(&value);
    });
    for (Variable& variable : program.variables) {
      add(variable.shape);
      add(variable.mapping.view);
      add(variable.mapping.block);
      small_.push_back(&variable.constant);
    }
    for (VariableId& id : program.inputs) small_.push_back(&id);
    for (Superstep& step : program.supersteps) {
      for (Transfer& transfer : step.exchange) add(transfer.region, transfer.grid);
      for (Operand& operand : step.compute.operands) add(operand.region, step.compute.grid);
    }
  }

  void change(std::mt19937& random) {
    const size_t at = random() % (all_.size() + small_.size());
    if (at < all_.size())
      *all_[at] = changed(*all_[at], random);
    else
      *small_[at - all_.size()] = static_cast<int32_t>(changed(*small_[at - all_.size()], random));
  }

 private:
  static int64_t changed(int64_t value, std::mt19937& random) {
    constexpr int64_t kNasty[] = {
        0, -1, 1, 2, 3, INT64_MAX, INT64_MIN, INT32_MAX, int64_t{1} << 40};
    switch (random() % 4) {
      case 0: return kNasty[random() % std::size(kNasty)];
      case 1: return static_cast<int64_t>(static_cast<uint64_t>(value) * 2);
      case 2: return value / 2;
      default: return static_cast<int64_t>(static_cast<uint64_t>(value) + random() % 5 - 2);
    }
  }
  void add(std::vector<int64_t>& list) {
    for (int64_t& number : list) all_.push_back(&number);
  }
  void add(Region& region, VertexGrid& grid) {
    add(region.view);
    add(grid.extent);
    small_.push_back(&region.variable);
    for (RegionDim& dim : region.dims) {
      small_.push_back(&dim.axis);
      all_.insert(all_.end(), {&dim.offset, &dim.step, &dim.size});
    }
  }

  std::vector<int64_t*> all_;
  std::vector<int32_t*> small_;
};

TEST(Hostile, programs_with_changed_numbers_are_refused_or_safe) {
  std::mt19937 random(2023);
  const Program sound = parse_program(kPricedProgram).take();
  int passed = 0;
  for (int round = 0; round < 5000; ++round) {
    Program program = sound;
    for (int changes = 1 + static_cast<int>(random() % 3); changes > 0; --changes)
      Numbers(program).change(random);
    const std::string bytes = to_bytes(program);
    const auto read = program_from(std::as_bytes(std::span(bytes)));
    ASSERT_TRUE(read.ok()) << print(program);
    ASSERT_EQ(to_bytes(*read), bytes);
    if (!verify_program(*read, check_compute_set).ok()) continue;
    ++passed;
    EXPECT_GT(program_cost(*read).total.value, 0u);
    EXPECT_GT(program_memory(*read).peak_by_tile[0], 0);
    EXPECT_EQ(print(*parse_program(print(*read))), print(*read));
  }
  EXPECT_GT(passed, 100);
}

}  // namespace
}  // namespace tessera
