// SPDX-License-Identifier: Apache-2.0
// Damaged models: an error or a valid graph, never a crash and never a flood of memory.
#include <gtest/gtest.h>

#include <fstream>
#include <random>

#include "compiler/onnx/make/make_model.h"
#include "ir/verify.h"
#include "tests/compiler/onnx/builder.h"

namespace tessera::test {
namespace {

std::string small_model() {
  const TempFolder folder;
  EXPECT_TRUE(make_model({1, 4, 2, 4, 5, 8, 1}, folder / "m.onnx").ok());
  std::ifstream file(folder / "m.onnx", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Imports the bytes; says whether they were taken.
bool import_bytes(const TempFolder& folder, const std::string& bytes) {
  std::ofstream(folder / "m.onnx", std::ios::binary) << bytes;
  const auto model = import_onnx(folder / "m.onnx", given("input_ids", {2, 3}));
  if (!model.ok()) {
    EXPECT_TRUE(model.error().message.starts_with(folder / "m.onnx"));
    return false;
  }
  const Status verified = verify(model->graph);
  EXPECT_TRUE(verified.ok()) << verified.error().message;
  return true;
}

TEST(MalformedOnnx, cut_short_at_any_length_is_refused) {
  const TempFolder folder;
  const std::string whole = small_model();
  ASSERT_TRUE(import_bytes(folder, whole));
  for (size_t length = 0; length < whole.size(); length += 13)
    EXPECT_FALSE(import_bytes(folder, whole.substr(0, length))) << length;
}

TEST(MalformedOnnx, changed_bytes_never_crash_it) {
  const TempFolder folder;
  const std::string whole = small_model();
  std::mt19937_64 random(1);
  int taken = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string damaged = whole;
    for (uint64_t flips = 1 + random() % 3; flips > 0; --flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    taken += import_bytes(folder, damaged);
  }
  EXPECT_LT(taken, 2000);
  EXPECT_GT(taken, 0);
}

}  // namespace
}  // namespace tessera::test
