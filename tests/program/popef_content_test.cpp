// SPDX-License-Identifier: Apache-2.0
// Files that are whole and hold what does not fit together: each rule is broken, hashes and all.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/program/popef_fixture.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(Popef, the_program_is_verified) {
  Executable executable = small();
  executable.program.supersteps[0].exchange.clear();
  EXPECT_THAT(fault(blobs_of(executable)),
              AllOf(StartsWith("blob 0 (executable '"), HasSubstr("superstep 'layer/matmul'"),
                    EndsWith("must be mapped or delivered there")));
  const auto refuse = [](const Program&, const ComputeSet&) { return Status(Error{"no"}); };
  written(small());
  EXPECT_THAT(read_popef(path_, refuse).error().message, EndsWith("superstep 'layer/matmul': no"));
}

TEST_F(Popef, every_blob_stands_where_it_must) {
  Blobs blobs = blobs_of(small());
  EXPECT_EQ(fault(blobs), "");
  const auto without = [&](size_t i) {
    Blobs fewer = blobs;
    fewer.views.erase(fewer.views.begin() + static_cast<long>(i));
    fewer.contents.erase(fewer.contents.begin() + static_cast<long>(i));
    return fault(fewer);
  };
  EXPECT_THAT(without(0), HasSubstr("must be executable '"));
  EXPECT_EQ(without(1), "blob 1 (tensor data 'w'): must be metadata 'metadata'");
  EXPECT_EQ(without(2), "blob 2 (opaque 'report'): must be tensor data 'w'");
  EXPECT_EQ(without(3), "");
  Blobs twice = blobs;
  twice.views.push_back(blobs.views[3]);
  twice.contents.push_back(blobs.contents[3]);
  EXPECT_EQ(fault(twice),
            "blob 4 (opaque 'report'): follows the last blob of the executable, must not be there");
  Blobs two = blobs;
  two.views.resize(2);
  EXPECT_EQ(fault(two), "blob 2: is missing, must be tensor data 'w'");
}

TEST_F(Popef, tensor_data_has_its_variables_bytes) {
  Blobs blobs = blobs_of(small());
  blobs.contents[2] += '\0';
  EXPECT_EQ(fault(blobs), "blob 2 (tensor data 'w'): has 193 bytes, must have the 192 of f32[6,8]");
}

TEST_F(Popef, an_output_may_have_the_name_of_an_input_and_a_variable_of_another) {
  Executable executable = small();
  executable.metadata.anchors[1].name = "x";
  written(executable);
  const auto read = read_popef(path_, accept_all);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->metadata.anchors[1].name, "x");
  EXPECT_EQ(read->program.variables[static_cast<size_t>(read->program.outputs[0])].name, "z");
}

TEST_F(Popef, metadata_describes_the_program) {
  const std::string where = "blob 1 (metadata 'metadata'): ";
  const auto with = [&](auto change) {
    Metadata metadata = small().metadata;
    change(metadata);
    return fault(metadata);
  };
  EXPECT_EQ(with([](Metadata& m) { m.anchors[0].shape = {6, 4}; }),
            where + "anchor 'x' is f32[6,4], must be 'x', f32[4,6]");
  EXPECT_EQ(with([](Metadata& m) { m.anchors[1].name = "y"; }),
            where + "anchor 'y' is f32[4,8], must be 'z', f32[4,8]");
  EXPECT_EQ(with([](Metadata& m) { m.anchors.pop_back(); }),
            where + "1 anchors, must be 1 inputs and 1 outputs");
  EXPECT_EQ(with([](Metadata& m) { m.anchors[0].size_limit = -1; }),
            where + "anchor 'x': size limit is -1, must not be negative");
  EXPECT_EQ(with([](Metadata& m) { m.anchors[0].size_least = 1; }),
            where + "anchor 'x': size least is 1, must not be positive");
  EXPECT_EQ(with([](Metadata& m) { m.anchors[0].index_limit = -1; }),
            where + "anchor 'x': index limit is -1, must not be negative");
  EXPECT_EQ(with([](Metadata& m) { m.num_ipus = 2; }),
            where + "numIpus is 2, must be 1, of each of 1 replicas 1");
  EXPECT_EQ(with([](Metadata& m) { m.device_iterations = 2; }),
            where + "deviceIterations must be 1");
  EXPECT_EQ(with([](Metadata& m) { m.replication_factor = 0; }),
            where + "replicationFactor is 0, must be 1 to 4096");
  EXPECT_EQ(with([](Metadata& m) { m.num_ipus = m.replication_factor = 2; }),
            where + "anchor 'x' is f32[4,6], must be 'x', f32[8,6]");
  for (const double seconds : {-1.0, HUGE_VAL, std::nan("")})
    EXPECT_THAT(with([&](Metadata& m) { m.cycles.seconds_per_batch = seconds; }),
                EndsWith("s, must be finite and not negative"));
  EXPECT_EQ(with([](Metadata& m) { m.model_name = "\x1b[2J"; }),
            where + "a text must be UTF-8 without control characters");
  Blobs blobs = blobs_of(small());
  blobs.contents[1] = to_bytes(small().metadata, "another");
  EXPECT_THAT(fault(blobs), HasSubstr("describes executable 'another', must describe '"));
}

TEST_F(Popef, a_packing_contract_names_what_is_there) {
  const std::string where = "blob 1 (metadata 'metadata'): packing: ";
  const PackingContract sound{PackingForm::B, 4, 6, 0, 6, {"x"}, "x", "x", "x", "", {}};
  const auto with = [&](auto change) {
    Metadata metadata = small().metadata;
    metadata.packing = sound;
    change(metadata.packing);
    return fault(metadata);
  };
  EXPECT_EQ(with([](PackingContract& p) { p.rows = -1; }),
            where + "a size is -1, must be 0 to 2^40");
  EXPECT_EQ(with([](PackingContract& p) { p.rows = 0; }),
            where + "rows and row length must be positive");
  EXPECT_EQ(with([](PackingContract& p) { p.rows = 5; }), where + "'x' must be an input [5,6]");
  EXPECT_EQ(with([](PackingContract& p) { p.token_inputs = {"z"}; }),
            where + "'z' must be an input [4,6]");
  EXPECT_EQ(with([](PackingContract& p) { p.ids_input = "y"; }),
            where + "'y' must be an input [4,6]");
  EXPECT_EQ(with([](PackingContract& p) { p.mask_input = "y"; }),
            where + "'y' must be an input [4,6]");
  EXPECT_EQ(with([](PackingContract& p) { p.token_inputs = {}; }),
            where + "'x' must be one of the token inputs");
  EXPECT_EQ(with([](PackingContract& p) { p.outputs = {{"x"}}; }),
            where + "'x' must be an output [4,6,…]");
  EXPECT_EQ(with([](PackingContract& p) {
              p.outputs = {
                  {"z", true}
              };
            }),
            where + "'z' must be an output [0,…]");
  EXPECT_EQ(with([](PackingContract& p) {
              p.outputs =
                  {
                      {"z", true}
              },
              p.max_valid_num = 4;
            }),
            where + "'' must be an input [4,2]");
  EXPECT_EQ(with([](PackingContract& p) { p.form = PackingForm::A, p.outputs = {}; }),
            where + "max_valid_num and segment_max_size must be positive");
  EXPECT_EQ(with([](PackingContract& p) {
              p = {PackingForm::A, 4, 6, 3, 6, {"x"}, "x", "x", "x", "x", {}};
            }),
            where + "'x' must be an input [3,1]");
  EXPECT_EQ(with([](PackingContract& p) {
              p = {PackingForm::B, 4, 6, 3, 6, {"x"}, "x", "x", "x", "x", {}};
            }),
            where + "'x' must be an input [3,2]");
  EXPECT_EQ(with([](PackingContract& p) { p.form = PackingForm::None, p.unpack_info_input = "x"; }),
            where + "'x' is an unpack_info, must be none where nothing is unpacked");
  EXPECT_EQ(with([](PackingContract& p) {
              p = {};
              p.mask_input = "\x1b[2J";
            }),
            where + "a name must be UTF-8 without control characters");
}

TEST_F(Popef, lengths_of_an_unpack_are_integers) {
  Executable executable;
  executable.program = parse_program(R"(program lengths {
  target test
  input ids: i32[1,4] = by [1,4] at 0
  input info: bool[5,1] = by [5,1] at 0
  output z: i32[1,4] = by [1,4] at 0
  inputs ids info
  outputs z
  step s {
    copy on [1] at 0 perm=[0,1] step=[1,1]
    read ids [*, *]
    write z [*, *]
  }
}
)")
                           .take();
  executable.metadata.anchors = {
      {"ids",  AnchorKind::Input,  DType::I32,  {1, 4}, "int32", 0},
      {"info", AnchorKind::Input,  DType::Bool, {5, 1}, "bool",  0},
      {"z",    AnchorKind::Output, DType::I32,  {1, 4}, "int32", 0}
  };
  executable.metadata.packing = {PackingForm::A, 1, 4, 5, 4, {"ids"}, "ids", "", "", "info", {}};
  EXPECT_EQ(fault(blobs_of(executable)),
            "blob 1 (metadata 'metadata'): packing: 'info' is bool, must be i32");
}

TEST_F(Popef, messages_have_one_spelling) {
  Blobs blobs = blobs_of(small());
  blobs.contents[1] += std::string("\xf8\x07\x01", 3);  // field 127, which there is not
  EXPECT_EQ(fault(blobs),
            "blob 1 (metadata 'metadata'): must be spelled as this version writes it");
  blobs.contents[1] = "\xff";
  EXPECT_EQ(fault(blobs),
            "blob 1 (metadata 'metadata'): is not the protobuf message that it must be");
  blobs = blobs_of(small());
  const std::string flow("\x3a\x06\x0a\x01\x00\x12\x01\x01", 8);  // load [0], main [1]
  const size_t at = blobs.contents[1].find(flow);
  ASSERT_NE(at, std::string::npos);
  blobs.contents[1][at + 7] = 2;
  EXPECT_THAT(fault(blobs), HasSubstr("programFlow"));
}

}  // namespace
}  // namespace tessera
