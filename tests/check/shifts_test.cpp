// SPDX-License-Identifier: Apache-2.0
// Attention as XLNet has it: tokens stand in front of rows, relative positions are shifted into
// place by reshapes, and a mask of keys is undone by constants for a token's own place.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "check/check.h"
#include "tests/check/encoder.h"

namespace tessera::test {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kHeads = 2, kOfHead = kHidden / kHeads, kMostPlaces = 20;

void to_float(ModelBuilder& m, const std::string& from, const std::string& to) {
  set_attribute(m.node("Cast", {from}, {to}), "to", int64_t{TensorProto::FLOAT});
}

// %q, %kt and %v by heads, of words [sequence,batch,kHidden].
ModelBuilder words_by_time() {
  ModelBuilder m;
  m.input("input_ids", TensorProto::INT64, "batch,sequence");
  m.input("attention_mask", TensorProto::INT64, "batch,sequence").output("answer");
  m.floats("words", numbers(kWords * kHidden, 1), {kWords, kHidden});
  m.floats("one_f", {1}, {});
  m.floats("zero_f", {0}, {});
  m.floats("huge", {1e30F}, {});
  m.ints("split", {0, 0, kHeads, kOfHead}).ints("joined", {0, 0, kHidden});
  m.ints("zero", {0}, true).ints("one", {1}, true).ints("axis0", {0}).ints("axis1", {1});
  m.ints("axis03", {0, 3}).ints("axis23", {2, 3}).ints("from_1", {1}).ints("axis2", {2});
  m.ints("to_end", {1 << 30}).ints("any", {-1}).ints("heads_1", {kHeads}).ints("two", {2}, true);
  m.node("Shape", {"input_ids"}, {"shape"});
  m.node("Gather", {"shape", "one"}, {"length"});
  m.node("Range", {"zero", "length", "one"}, {"place"});
  m.node("Unsqueeze", {"place", "axis0"}, {"key"});
  m.node("Unsqueeze", {"place", "axis1"}, {"query"});
  set_attribute(m.node("Transpose", {"input_ids"}, {"ids_t"}), "perm", Ints{1, 0});
  set_attribute(m.node("Transpose", {"attention_mask"}, {"mask_t"}), "perm", Ints{1, 0});
  m.node("Gather", {"words", "ids_t"}, {"x"});
  for (const std::string name : {"q", "k", "v"}) {
    m.floats(name + "_w", numbers(kHidden * kHidden, name[0]), {kHidden, kHidden});
    m.node("MatMul", {"x", name + "_w"}, {name + "_x"});
    m.node("Reshape", {name + "_x", "split"}, {name + "_4"});
    const bool is_key = name == "k";
    set_attribute(m.node("Transpose", {name + "_4"}, {is_key ? "kt" : name}), "perm",
                  is_key ? Ints{1, 2, 3, 0} : Ints{1, 2, 0, 3});
  }
  return m;
}

// %shifted: of each query and key, what the query says of their distance.
void shift(ModelBuilder& m) {
  m.floats("all", numbers(kHeads * kOfHead * 2 * kMostPlaces, 5),
           {kHeads, kOfHead, 2 * kMostPlaces});
  m.ints("places", {kMostPlaces});
  m.node("Sub", {"places", "length"}, {"from"});
  m.node("Add", {"places", "length"}, {"until"});
  m.node("Slice", {"all", "from", "until", "axis2"}, {"table"});
  m.node("MatMul", {"q", "table"}, {"said"});
  m.node("Unsqueeze", {"length", "axis0"}, {"length_1"});
  m.node("Mul", {"length_1", "two"}, {"numbers"});
  m.node("Sub", {"numbers", "from_1"}, {"one_less"});
  const auto reshape = [&](const char* from, const Names& last, const char* to) {
    set_attribute(m.node("Concat", {"any", "heads_1", last[0], last[1]}, {std::string(to) + "_s"}),
                  "axis", int64_t{0});
    m.node("Reshape", {from, std::string(to) + "_s"}, {to});
  };
  reshape("said", {"numbers", "length_1"}, "dealt");
  m.node("Slice", {"dealt", "from_1", "to_end", "axis2"}, {"cut"});
  reshape("cut", {"length_1", "one_less"}, "back");
  set_attribute(m.node("Gather", {"back", "place"}, {"shifted"}), "axis", int64_t{3});
}

// A key that is absent is hidden, but where `seen` [sequence,sequence] says that it is not.
void attend(ModelBuilder& m, const std::string& seen) {
  to_float(m, "mask_t", "there");
  m.node("Sub", {"one_f", "there"}, {"absent"});
  m.node("Unsqueeze", {"absent", "axis03"}, {"absent_4"});
  to_float(m, seen, "seen_f");
  m.node("Unsqueeze", {"seen_f", "axis23"}, {"seen_4"});
  m.node("Sub", {"absent_4", "seen_4"}, {"left"});
  m.node("Greater", {"left", "zero_f"}, {"hidden_b"});
  to_float(m, "hidden_b", "hidden_t");
  set_attribute(m.node("Transpose", {"hidden_t"}, {"hidden"}), "perm", Ints{2, 3, 0, 1});
  m.node("Mul", {"hidden", "huge"}, {"penalty"});
  m.node("MatMul", {"q", "kt"}, {"products"});
  m.node("Add", {"products", "shifted"}, {"scores"});
  m.node("Sub", {"scores", "penalty"}, {"masked"});
  m.node("Softmax", {"masked"}, {"weights"});
  m.node("MatMul", {"weights", "v"}, {"attended_h"});
  set_attribute(m.node("Transpose", {"attended_h"}, {"attended_4"}), "perm", Ints{2, 0, 1, 3});
  m.node("Reshape", {"attended_4", "joined"}, {"attended"});
  m.node("Add", {"attended", "x"}, {"y"});
  set_attribute(m.node("Transpose", {"y"}, {"answer"}), "perm", Ints{1, 0, 2});
}

TEST(Shifts, each_token_says_of_distances_what_it_says_alone) {
  ModelBuilder m = words_by_time();
  shift(m);
  m.node("Equal", {"query", "key"}, {"itself"});
  attend(m, "itself");
  expect_each_request_is_right(m, {}, {"padded", "A", "B"});
}

TEST(Shifts, a_mask_that_constants_undo_behind_a_request_is_refused) {
  ModelBuilder m = words_by_time();
  shift(m);
  m.node("Less", {"query", "key"}, {"later"});
  attend(m, "later");
  const TempFolder folder;
  CheckOptions options;
  options.machine.threads = 1;
  const auto report = check_model(m.save(folder), options);
  ASSERT_TRUE(report.ok()) << report.error().message;
  for (const FormVerdict& form : report->forms)
    EXPECT_THAT(form.why_not, HasSubstr("takes a softmax along the sequence axis"));
}

}  // namespace
}  // namespace tessera::test
