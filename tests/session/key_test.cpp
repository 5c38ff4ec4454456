// SPDX-License-Identifier: Apache-2.0
#include "session/key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compiler/onnx/make/make_model.h"
#include "compiler/option_values.h"
#include "session/key_record.h"
#include "support/sha256.h"
#include "tests/helpers/temp_folder.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ExecutableKey key_of(std::vector<InputSignature> inputs) {
  ExecutableKey key;
  key.graph = "graph";
  key.weights = "weights";
  key.inputs = std::move(inputs);
  key.options = parse_option_values("precision fp16\npasses \n");
  key.target = parse_target_values("test tiles=4 clock_hz=1500000000");
  key.compiler = "0.1.0+0";
  set_digests(key);
  return key;
}
ExecutableKey ids(int64_t rows, int64_t length) {
  return key_of({
      {"input_ids", "int64", {rows, length}}
  });
}

template <class Change>
KeyDifference after(Change change) {
  ExecutableKey other = ids(4, 8);
  change(other);
  set_digests(other);
  EXPECT_NE(other.digests.total, ids(4, 8).digests.total);
  return compare_keys(ids(4, 8), other);
}

TEST(Key, equal_keys_have_equal_digests_and_no_difference) {
  EXPECT_EQ(ids(4, 8), ids(4, 8));
  const KeyDifference difference = compare_keys(ids(4, 8), ids(4, 8));
  EXPECT_THAT(difference.causes, IsEmpty());
  EXPECT_EQ(difference.components, 0);
  EXPECT_EQ(ids(4, 8).digests.total.size(), 64u);
}

TEST(Key, each_ingredient_moves_its_own_digest_and_names_its_cause) {
  using Change = void (*)(ExecutableKey&);
  const std::vector<std::pair<Cause, Change>> changes = {
      {Cause::InputShape,      [](ExecutableKey& k) { k.inputs[0].shape = {4, 9}; }                    },
      {Cause::InputDtype,      [](ExecutableKey& k) { k.inputs[0].dtype = "int32"; }                   },
      {Cause::InputSet,        [](ExecutableKey& k) { k.inputs[0].name = "ids"; }                      },
      {Cause::Graph,           [](ExecutableKey& k) { k.graph = "other"; }                             },
      {Cause::Weights,         [](ExecutableKey& k) { k.weights = "other"; }                           },
      {Cause::Options,
       [](ExecutableKey& k) { k.options = parse_option_values("precision fp32\n"); }                   },
      {Cause::Target,          [](ExecutableKey& k) { k.target = parse_target_values("test tiles=8"); }},
      {Cause::CompilerVersion, [](ExecutableKey& k) { k.compiler = "0.2.0"; }                          },
  };
  for (const auto& [cause, change] : changes) {
    const KeyDifference difference = after(change);
    EXPECT_THAT(difference.causes, ElementsAre(cause));
    EXPECT_EQ(difference.components, 1) << to_string(cause);
  }
}

TEST(Key, changes_are_named_by_input_option_and_field) {
  EXPECT_THAT(after([](ExecutableKey& k) { k.inputs[0].dtype = "int32"; }).changes,
              ElementsAre(KeyChange{Ingredient::Inputs, "input_ids", "int64", "int32"}));
  EXPECT_THAT(after([](ExecutableKey& k) {
                k.options = parse_option_values("precision fp32\npasses a,b\n");
              }).changes,
              ElementsAre(KeyChange{Ingredient::Options, "passes", "none", "a,b"},
                          KeyChange{Ingredient::Options, "precision", "fp16", "fp32"}));
  EXPECT_THAT(after([](ExecutableKey& k) {
                k.target = parse_target_values("test tiles=8 clock_hz=1500000000");
              }).changes,
              ElementsAre(KeyChange{Ingredient::Target, "tiles", "4", "8"}));
}

TEST(Key, a_target_whose_name_holds_numbers_is_compared_by_its_name) {
  const KeyDifference difference = after([](ExecutableKey& k) {
    k.target = parse_target_values("test,clock_hz=1e9 tiles=4 clock_hz=1000000000");
  });
  EXPECT_THAT(difference.changes,
              ElementsAre(KeyChange{Ingredient::Target, "clock_hz", "1500000000", "1000000000"},
                          KeyChange{Ingredient::Target, "name", "test", "test,clock_hz=1e9"}));
}

// Caches that earlier builds have filled go on being read.
TEST(Key, digests_of_options_and_target_are_those_of_their_texts) {
  const ExecutableKey key = ids(4, 8);
  EXPECT_EQ(key.digests.options, to_hex(sha256(std::string("precision fp16\npasses \n"))));
  EXPECT_EQ(key.digests.target, to_hex(sha256(std::string("test tiles=4 clock_hz=1500000000"))));
}

TEST(Key, options_that_stand_elsewhere_in_the_key_are_not_among_its_options) {
  CompileOptions options;
  options.input_shape = {
      {"ids", {4, 8}}
  };
  const TempFolder folder;
  const std::string path = folder / "bert.onnx";
  ASSERT_TRUE(make_model(*make_model_preset("tiny"), path).ok());
  const auto model = ModelIdentity::of(path);
  ASSERT_TRUE(model.ok()) << model.error().message;
  const ExecutableKey key = make_key(**model, {}, options);
  EXPECT_EQ(option_text(key.options),
            "precision fp32\npartials_type half\navailable_memory_proportion 0.6\npasses \n"
            "skip_passes \n");
  EXPECT_EQ(target_text(key.target), target_text(target_values(options.target)));
}

TEST(Key, every_cause_is_listed_and_the_inputs_come_first) {
  const KeyDifference difference = after([](ExecutableKey& k) {
    k.weights = "other";
    k.options = parse_option_values("precision fp32\n");
    k.inputs[0].shape = {5, 9};
  });
  EXPECT_THAT(difference.causes, ElementsAre(Cause::InputShape, Cause::Weights, Cause::Options));
  EXPECT_EQ(difference.shapes.size(), 2u);
  EXPECT_EQ(difference.components, 3);
}

TEST(Key, differences_go_by_input_and_axis) {
  const InputShapes before = {
      {"ids",  {4, 8}},
      {"mask", {4, 8}}
  };
  const InputShapes after = {
      {"ids",   {4, 9}   },
      {"mask",  {4, 8, 8}},
      {"types", {2}      }
  };
  EXPECT_EQ(compare_shapes(before, after),
            (std::vector<ShapeDifference>{
                {"ids",   1, "seq", 8,  9},
                {"mask",  2, "",    -1, 8},
                {"types", 0, "",    -1, 2}
  }));
  EXPECT_TRUE(compare_shapes(before, before).empty());
}

TEST(Key, nearest_differs_in_the_fewest_dimensions_then_the_least) {
  const ExecutableKey a = ids(4, 100), b = ids(5, 9), c = ids(4, 12), wanted = ids(4, 8);
  EXPECT_EQ(nearest_key({}, wanted), -1);
  EXPECT_EQ(nearest_key({&b}, wanted), 0);
  EXPECT_EQ(nearest_key({&b, &a}, wanted), 1) << "one dimension, though it is far";
  EXPECT_EQ(nearest_key({&a, &b, &c}, wanted), 2);
  EXPECT_EQ(nearest_key({&c, &c}, wanted), 0) << "the earliest of equals";
}

TEST(Key, nearest_has_the_fewest_ingredients_that_differ) {
  ExecutableKey other_options = ids(4, 9);
  other_options.options = parse_option_values("precision fp32\n");
  set_digests(other_options);
  const ExecutableKey far = ids(9, 900);
  EXPECT_EQ(nearest_key({&other_options, &far}, ids(4, 8)), 1);
}

TEST(Key, another_model_is_nobodys_nearest) {
  ExecutableKey other = ids(4, 8);
  other.graph = "g";
  other.weights = "w";
  set_digests(other);
  EXPECT_EQ(nearest_key({&other}, ids(4, 8)), -1);
}

TEST(KeyRecord, any_changed_byte_is_an_error) {
  const KeyRecord record{ids(4, 8), "bert.onnx", "abc", 123, 4.5};
  const std::string text = to_text(record);
  EXPECT_EQ(*parse_record(text), record);
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_FALSE(parse_record(changed).ok()) << i;
    }
    EXPECT_FALSE(parse_record(text.substr(0, i)).ok()) << i;
  }
  EXPECT_FALSE(parse_record(text + " ").ok());
}

}  // namespace
}  // namespace tessera
