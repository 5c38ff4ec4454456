// SPDX-License-Identifier: Apache-2.0
// The table of compile options: what is said once there holds wherever an option is met.
#include "compiler/options.h"

#include <gmock/gmock.h>

#include <set>

#include "compiler/option_rows.h"
#include "compiler/option_text.h"
#include "compiler/option_values.h"
#include "support/sha256.h"
#include "tests/helpers/option_samples.h"

namespace tessera {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string usage_error(const CompileOptions& options) {
  const Status status = check_options(options);
  if (status.ok()) return "no error";
  EXPECT_EQ(status.error().kind, ErrorKind::Usage);
  return status.error().message;
}

std::string parse_error(std::string_view name, const OptionWords& words) {
  CompileOptions options;
  const Status status = find_option(name)->parse(words, options);
  if (status.ok()) return "no error";
  EXPECT_EQ(status.error().kind, ErrorKind::Usage);
  return status.error().message;
}

class EachOption : public ::testing::TestWithParam<OptionRow> {};

TEST_P(EachOption, is_found_by_its_name) {
  EXPECT_EQ(find_option(GetParam().name)->name, GetParam().name);
  EXPECT_FALSE(GetParam().help.empty());
}

TEST_P(EachOption, is_sound_at_its_default_and_at_another_value) {
  const Status usual = GetParam().check(CompileOptions());
  EXPECT_TRUE(usual.ok()) << usual.error().message;
  EXPECT_EQ(usage_error(sound(GetParam())), "no error");
}

TEST_P(EachOption, is_in_the_text_unless_nothing_depends_on_it) {
  const bool differs = to_string(only(GetParam())) != to_string(CompileOptions());
  EXPECT_EQ(differs, GetParam().place != OptionPlace::Nowhere);
}

TEST_P(EachOption, is_read_back_from_its_text_and_from_its_flag) {
  const OptionRow& row = GetParam();
  const CompileOptions options = only(row);
  for (const std::string& line : row.lines(options)) {
    CompileOptions read;
    ASSERT_TRUE(row.parse(words_of(row.kind, line), read).ok()) << line;
    if (row.kind != OptionKind::Target) {
      EXPECT_EQ(row.lines(read), row.lines(options));
    }
  }
  if (row.place == OptionPlace::Nowhere) return;
  const OptionWords flags = flag_words(parse_option_values(to_string(options)));
  ASSERT_GE(flags.size(), 2u);
  EXPECT_EQ(flags[0], "--" + std::string(row.name)) << "and no other";
  CompileOptions read;
  ASSERT_TRUE(row.parse({flags.begin() + 1, flags.end()}, read).ok());
  EXPECT_EQ(to_string(read), to_string(options));
}

INSTANTIATE_TEST_SUITE_P(, EachOption, ::testing::ValuesIn(option_rows()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Options, defaults_need_no_flags) {
  EXPECT_THAT(flag_words(option_values(CompileOptions())), ElementsAre());
}

// Keys of caches and the text in executables depend on these bytes.
TEST(Options, the_text_is_the_one_that_files_hold) {
  CompileOptions options;
  options.target.name = "c600,tiles=736";
  EXPECT_THAT(to_string(options),
              HasSubstr("precision fp32\npartials_type half\navailable_memory_proportion 0.6\n"
                        "passes \nskip_passes \ntarget c600,tiles=736 tiles=1472 bytes_per_tile="));
  EXPECT_EQ(to_hex(sha256(option_text({
                {"precision",                   "fp32"},
                {"partials_type",               "half"},
                {"available_memory_proportion", "0.6" },
                {"passes",                      ""    },
                {"skip_passes",                 ""    }
  }))),
            "7441163a07aa83402b8d5c375729010218a87b40b6da967fac2b0427700857ac");
  options.input_shape = {
      {"a", {2, 3}},
      {"b", {}    }
  };
  options.precision = Precision::Fp16;
  options.fp16_skip_op_types = {"Softmax", "Gelu", "Gelu"};
  options.use_128bit_conv_unit_load = true;
  options.enable_fast_reduce = true;
  options.pack_args = PackArgs{4, 8};
  options.passes = {"y", "x"};
  options.prefetch = false;
  const std::string text = to_string(options);
  EXPECT_EQ(text.substr(0, text.find("target ")),
            "input_shape a=[2,3]\ninput_shape b=[]\nprecision fp16\nfp16_skip_op_types "
            "Gelu,Softmax\npartials_type half\navailable_memory_proportion 0.6\n"
            "use_128bit_conv_unit_load true\nenable_fast_reduce true\n"
            "pack_args max_valid_num=4 segment_max_size=8\npasses x,y\nskip_passes \n"
            "batches_per_step 1\nnum_io_tiles 0\nprefetch false\n");
}

TEST(Options, the_text_of_a_target_says_all_of_its_fields) {
  Target target;
  target.name = "c600,clock_hz=1e9";
  const OptionValues values = target_values(target);
  EXPECT_EQ(values[0], (OptionValue{"name", "c600,clock_hz=1e9"}));
  EXPECT_EQ(values[1], (OptionValue{"tiles", "1472"}));
  EXPECT_EQ(parse_target_values(target_text(values)), values);
}

TEST(Options, a_target_that_was_changed_in_place_has_a_flag_too) {
  CompileOptions options;
  options.target = *target_preset("test");
  options.target.sync_cycles += 10;
  EXPECT_THAT(flag_words(option_values(options)), ElementsAre("--target", "test,sync_cycles=140"));
  options.target.name = "mine";
  EXPECT_THAT(flag_words(option_values(options))[1], HasSubstr("c600,tiles=4,"));
}

TEST(Options, a_name_that_no_row_has_gets_no_flag) {
  EXPECT_THAT(flag_words({
                  {"gone",      "1"   },
                  {"precision", "fp16"}
  }),
              ElementsAre("--precision", "fp16"));
}

TEST(Options, a_word_that_is_none_of_the_kind_is_told_what_it_must_be) {
  EXPECT_EQ(parse_error("precision", {"fp4"}),
            "precision: 'fp4', must be fp32 or fp16 or fp8 or fp8_weight");
  EXPECT_EQ(parse_error("fp8_params", {"F143,F143"}),
            "fp8_params: 'F143,F143', must be INPUT_FORMAT,WEIGHT_FORMAT,INPUT_SCALE,WEIGHT_SCALE, "
            "as F143,F143,-1,-1");
  EXPECT_EQ(parse_error("fp8_params", {"F143,F134,0,0"}),
            "fp8_params weight format: 'F134', must be F143 or F152");
  EXPECT_EQ(parse_error("fp8_params", {"F143,F152,x,0"}),
            "fp8_params input scale: 'x', must be a whole number from -32 to 31");
  EXPECT_EQ(parse_error("fp8_params", {"F143,F152,0,32"}),
            "fp8_params weight scale: '32', must be a whole number from -32 to 31");
  EXPECT_EQ(parse_error("partials_type", {"x"}), "partials_type: 'x', must be half or float");
  EXPECT_EQ(parse_error("prefetch", {"x"}), "prefetch: 'x', must be true or false");
  EXPECT_EQ(parse_error("batches_per_step", {"3x"}),
            "batches_per_step: '3x', must be a whole number");
  EXPECT_EQ(parse_error("available_memory_proportion", {"x"}),
            "available_memory_proportion: 'x', must be a number");
  EXPECT_EQ(parse_error("input_shape", {"a"}), "input_shape: 'a', must be NAME=D,D …");
  EXPECT_EQ(parse_error("input_shape", {"a=2,,3"}),
            "input_shape a: '', must be a positive whole number");
  EXPECT_EQ(parse_error("input_shape", {"a=2", "a=3"}),
            "input_shape a: given twice, must be given once");
  EXPECT_EQ(parse_error("pack_args", {"rows=3"}),
            "pack_args: 'rows=3', must be max_valid_num=N or segment_max_size=N");
  EXPECT_EQ(
      parse_error("pack_args", {"max_valid_num=4", "segment_max_size=13+51"}),
      "pack_args segment_max_size: '13+51', must be one number, because a request lies in one "
      "piece: give segment_max_size=64, and tell its parts apart by token_type_ids");
  EXPECT_EQ(parse_error("pack_args", {"segment_max_size=13+x"}),
            "pack_args segment_max_size: '13+x', must be a positive whole number");
  EXPECT_EQ(parse_error("pack_args", {"segment_max_size=3"}),
            "pack_args: must give max_valid_num=N, and in form A segment_max_size=N");
}

TEST(Options, fp8_is_asked_for_where_it_says_something) {
  CompileOptions options;
  options.fp8_params = {DType::F152, DType::F143, 3, -4};
  EXPECT_EQ(usage_error(options),
            "fp8_params: is given, must be left out unless precision is fp8 or fp8_weight");
  options.precision = Precision::Fp8Weight;
  EXPECT_TRUE(check_options(options).ok());
  EXPECT_THAT(to_string(options), HasSubstr("fp8_params F152,F143,3,-4\n"));
  options = {};
  options.fp8_skip_op_names = {"MatMul_3"};
  EXPECT_EQ(usage_error(options),
            "fp8_skip_op_names: is given, must be left out unless precision is fp8 or fp8_weight");
  options = {};
  options.precision = Precision::Fp8;
  EXPECT_TRUE(check_options(options).ok());
  options.partials_type = PartialsType::Float;
  EXPECT_EQ(usage_error(options),
            "precision: is fp8, must be fp32, fp16 or fp8_weight with partials_type float: sums of "
            "products of fp8 are stored as half");
  options.partials_type = PartialsType::Half;
  options.target = *target_preset("bow");
  EXPECT_EQ(
      usage_error(options),
      "precision: is fp8, must be fp32 or fp16 on bow, whose tiles do not have fp8; c600 has");
}

TEST(Options, a_value_out_of_range_is_told_the_range) {
  CompileOptions options;
  options.available_memory_proportion = 1.5;
  EXPECT_EQ(usage_error(options),
            "available_memory_proportion: is 1.5, must be above 0 and at most 1");
  options.available_memory_proportion = 0;
  EXPECT_THAT(usage_error(options), HasSubstr("is 0, must be"));
  options = {};
  options.pack_args = PackArgs{.max_valid_num = 0, .segment_max_size = 8};
  EXPECT_EQ(usage_error(options), "pack_args: max_valid_num is 0, must be at least 1");
  options.pack_args = PackArgs{.max_valid_num = 4, .segment_max_size = 0};
  EXPECT_EQ(usage_error(options),
            "pack_args: segment_max_size is left out, must be given in form A; form B (--passes "
            "insert_attention_mask) takes max_valid_num alone");
  options.passes = {"insert_attention_mask"};
  EXPECT_TRUE(check_options(options).ok());
  options.pack_args->segment_max_size = 8;
  EXPECT_EQ(
      usage_error(options),
      "pack_args: segment_max_size is 8, must be left out in form B, where a request may be as "
      "long as a row");
  options.passes.clear();
  options = {};
  options.batches_per_step = 0;
  EXPECT_EQ(usage_error(options), "batches_per_step: is 0, must be from 1 to 1000000");
  options = {};
  options.num_io_tiles = 1472;
  EXPECT_EQ(usage_error(options),
            "num_io_tiles: is 1472, must be from 0 to 1471, which leaves one of 1472 tiles");
  options = {};
  options.fp16_skip_op_types = {"Sofmax"};
  EXPECT_THAT(usage_error(options), HasSubstr("fp16_skip_op_types: there is no 'Sofmax', must be"));
}

TEST(Options, the_order_of_names_says_nothing) {
  CompileOptions a, b;
  a.passes = {"x", "y"};
  b.passes = {"y", "x", "y"};
  b.dump_passes = "/elsewhere";
  EXPECT_EQ(to_string(a), to_string(b));
}

TEST(Options, poprt_has_one_name_for_each) {
  std::set<std::string_view> converter, compiler;
  for (const OptionRow& row : option_rows()) {
    EXPECT_TRUE(row.converter.empty() || converter.insert(row.converter).second) << row.name;
    EXPECT_TRUE(row.compiler.empty() || compiler.insert(row.compiler).second) << row.name;
  }
  EXPECT_EQ((*find_compiler_option("enable_prefetch_datastreams"))->name, "prefetch");
  EXPECT_THAT(find_compiler_option("outlining").error().message,
              HasSubstr("compiler_options: 'outlining', must be one of partials_type, "));
}

}  // namespace
}  // namespace tessera
