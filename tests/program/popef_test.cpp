// SPDX-License-Identifier: Apache-2.0
#include "program/popef.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "program/blobs.h"
#include "program/messages.h"
#include "program/read_popef.h"
#include "program/text.h"
#include "tests/helpers/small_program.h"
#include "tests/helpers/temp_folder.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Status accept_all(const Program&, const ComputeSet&) { return {}; }

class Popef : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 48; ++i) weights_.push_back(static_cast<float>(i));
  }

  Executable small() const {
    Executable executable;
    executable.program = parse_program(kSmallProgram).take();
    executable.constants = {
        {nullptr, std::as_bytes(std::span(weights_))}
    };
    executable.report = R"({"phases":[]})";
    Metadata& metadata = executable.metadata;
    metadata.compiler_version = "0.1.0";
    metadata.model_name = "small";
    metadata.source_sha256 = "ab";
    metadata.options = "precision=fp32\ninput_shape=x=4,6";
    metadata.options_sha256 = "cd";
    metadata.anchors = {
        {"x", AnchorKind::Input, DType::F32, {4, 6}, "float32", 7, 5, -2, "square"},
        {"z", AnchorKind::Output, DType::F32, {4, 8}, "float32", 0}
    };
    metadata.memory = {1000, 2, "layer/gelu", 100, true};
    metadata.cycles = {10, 5, 1, 3, 1, 1e-6};
    return executable;
  }

  std::string written(Executable executable) const {
    const auto bytes = write_popef(executable, path_);
    EXPECT_TRUE(bytes.ok()) << bytes.error().message;
    const std::string content = contents();
    EXPECT_EQ(bytes.ok() ? *bytes : 0, content.size());
    return content;
  }

  std::string contents() const {
    std::stringstream all;
    all << std::ifstream(path_, std::ios::binary).rdbuf();
    return all.str();
  }
  void store(std::string_view content) const { std::ofstream(path_, std::ios::binary) << content; }

  std::string fault() const {
    const auto read = read_popef(path_, accept_all);
    if (read.ok()) return "";
    EXPECT_EQ(read.error().kind, ErrorKind::BadFile);
    EXPECT_THAT(read.error().message, StartsWith(path_ + ": "));
    return read.error().message.substr(path_.size() + 2);
  }

  // The blobs of the small executable; a test changes them before they are written, hashes and all.
  struct Blobs {
    std::vector<BlobView> views;
    std::vector<std::string> contents;
  };
  Blobs blobs_of(const Executable& executable) const {
    Blobs blobs;
    blobs.contents = {to_bytes(executable.program), "", std::string(192, '\0'), executable.report};
    const std::string name = to_hex(sha256(blobs.contents[0]));
    blobs.contents[1] = to_bytes(executable.metadata, name);
    blobs.views = {
        {BlobType::Executable, name,       {}, {}, 0},
        {BlobType::Metadata,   "metadata", {}, {}, 0},
        {BlobType::TensorData, "w",        {}, {}, 0},
        {BlobType::Opaque,     "report",   {}, {}, 0}
    };
    return blobs;
  }
  std::string fault(Blobs blobs) const {
    for (size_t i = 0; i < blobs.views.size(); ++i)
      blobs.views[i].content = std::as_bytes(std::span(blobs.contents[i]));
    std::string file;
    const auto sink = [&file](std::span<const std::byte> bytes) -> Status {
      file.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return {};
    };
    EXPECT_TRUE(write_blobs(blobs.views, sink).ok());
    store(file);
    return fault();
  }
  // The error of reading the small executable with this metadata.
  std::string fault(const Metadata& metadata) const {
    Executable executable = small();
    executable.metadata = metadata;
    Executable same = executable;
    const auto refused = write_popef(same, path_);
    const std::string message = fault(blobs_of(executable));
    EXPECT_THAT(message, EndsWith(refused.ok() ? "refused when written" : refused.error().message));
    return message;
  }

  const TempFolder folder_;
  const std::string path_ = folder_ / "small.popef";
  std::vector<float> weights_;
};

TEST_F(Popef, what_a_key_signed_is_what_is_loaded_whoever_writes_to_the_file_meanwhile) {
  const SecretKey key = SecretKey::generate();
  const std::string content = written(small());
  const std::string signature = sign(std::as_bytes(std::span(content)), key, "mine").take();
  std::ofstream(path_ + ".minisig") << signature;
  const auto file = open_popef(path_, key.public_key());
  ASSERT_TRUE(file.ok()) << file.error().message;
  std::string other = content;
  other[other.size() / 2] = static_cast<char>(other[other.size() / 2] ^ 1);
  store(other);  // in place, after it was opened
  EXPECT_EQ(*check_signature(*file), "mine");
  const auto read = read_popef(*file, accept_all);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->constants[0].bytes.size(), weights_.size() * 4);
  EXPECT_EQ(std::memcmp(read->constants[0].bytes.data(), weights_.data(), weights_.size() * 4), 0);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(read->constants[0].bytes.data()) % 64, 0u);
  // Opened now, the file is another than was signed, and is not looked at.
  const auto changed = read_popef(*open_popef(path_, key.public_key()), accept_all);
  ASSERT_FALSE(changed.ok());
  EXPECT_EQ(changed.error().kind, ErrorKind::BadFile);
  EXPECT_THAT(changed.error().message, HasSubstr(".minisig: is not what key"));
  EXPECT_FALSE(list_blobs(*open_popef(path_, key.public_key())).ok());
}

TEST_F(Popef, a_file_without_the_required_signature_is_bad) {
  written(small());
  const PublicKey key = SecretKey::generate().public_key();
  const auto file = open_popef(path_, key);
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().kind, ErrorKind::BadFile);
  EXPECT_THAT(file.error().message, HasSubstr("has no signature"));
  EXPECT_TRUE(open_popef(path_).ok());
}

TEST_F(Popef, what_is_written_is_read) {
  Executable executable = small();
  ASSERT_TRUE(write_popef(executable, path_).ok());
  const auto read = read_popef(path_, accept_all);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(print(read->program), kSmallProgram);
  EXPECT_EQ(to_bytes(read->metadata, "e"), to_bytes(executable.metadata, "e"));
  EXPECT_EQ(read->metadata.anchors[0].index_limit, 7);
  EXPECT_EQ(read->metadata.anchors[0].size_limit, 5);
  EXPECT_EQ(read->metadata.anchors[0].size_least, -2);
  EXPECT_EQ(read->metadata.anchors[0].limited_by, "square");
  EXPECT_EQ(read->metadata.anchors[1].kind, AnchorKind::Output);
  EXPECT_EQ(read->metadata.options, executable.metadata.options);
  EXPECT_EQ(read->metadata.cycles.seconds_per_batch, 1e-6);
  EXPECT_EQ(read->metadata.memory.peak_superstep, "layer/gelu");
  EXPECT_EQ(read->report, executable.report);
  EXPECT_EQ(read->sha256, executable.sha256);
  EXPECT_EQ(read->sha256.size(), 64u);
}

TEST_F(Popef, constants_are_used_where_they_are_mapped) {
  written(small());
  const auto read = read_popef(path_, accept_all);
  ASSERT_EQ(read->constants.size(), 1u);
  const Blob& blob = read->constants[0];
  EXPECT_EQ(reinterpret_cast<uintptr_t>(blob.bytes.data()) % 64, 0u);
  EXPECT_NE(blob.owner, nullptr);
  ASSERT_EQ(blob.bytes.size(), weights_.size() * 4);
  EXPECT_EQ(std::memcmp(blob.bytes.data(), weights_.data(), blob.bytes.size()), 0);
}

TEST_F(Popef, a_packing_contract_survives) {
  Executable executable = small();
  executable.metadata.packing = {PackingForm::B, 4, 6, 5, 8, {"x"}, "x", "x", "x", "", {}};
  ASSERT_TRUE(write_popef(executable, path_).ok());
  const auto read = read_popef(path_, accept_all);
  ASSERT_TRUE(read.ok()) << read.error().message;
  const PackingContract& packing = read->metadata.packing;
  EXPECT_EQ(packing.form, PackingForm::B);
  EXPECT_EQ(packing.rows, 4);
  EXPECT_EQ(packing.row_length, 6);
  EXPECT_EQ(packing.max_valid_num, 5);
  EXPECT_EQ(packing.segment_max_size, 8);
  EXPECT_EQ(packing.token_inputs, std::vector<std::string>{"x"});
  EXPECT_EQ(packing.unpack_info_input, "");
  executable.metadata.packing = {PackingForm::None, 4, 6, 0, 0, {"x"}, "x", "", "", "",
                                 {{"z", true}}};
  ASSERT_TRUE(write_popef(executable, path_).ok());
  EXPECT_TRUE(read_popef(path_, accept_all)->metadata.packing.outputs.at(0).per_request);
}

TEST_F(Popef, two_writes_are_the_same_bytes) { EXPECT_EQ(written(small()), written(small())); }

TEST_F(Popef, blobs_are_listed_with_what_they_are) {
  const std::string content = written(small());
  const auto blobs = list_blobs(path_);
  ASSERT_TRUE(blobs.ok());
  ASSERT_EQ(blobs->size(), 4u);
  const BlobInfo& weights = (*blobs)[2];
  EXPECT_EQ(weights.type, "tensor data");
  EXPECT_EQ(weights.name, "w");
  EXPECT_EQ(weights.bytes, 192u);
  EXPECT_EQ(std::memcmp(content.data() + weights.offset, weights_.data(), 192), 0);
  EXPECT_EQ(weights.sha256, to_hex(sha256(std::as_bytes(std::span(weights_)))));
  EXPECT_EQ((*blobs)[3].name, "report");
}

TEST_F(Popef, any_byte_changed_is_noticed) {
  const std::string content = written(small());
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  for (size_t i = 0; i < content.size(); ++i) {
    for (int bit : {0x01, 0x80}) {
      file.seekp(static_cast<long>(i)).put(static_cast<char>(content[i] ^ bit)).flush();
      EXPECT_THAT(fault(), HasSubstr("blob ")) << "byte " << i;
    }
    file.seekp(static_cast<long>(i)).put(content[i]).flush();
  }
  EXPECT_EQ(fault(), "");
}

TEST_F(Popef, a_file_cut_off_anywhere_is_refused) {
  const std::string content = written(small());
  for (size_t size = content.size(); size-- > 0;) {
    std::filesystem::resize_file(path_, size);
    EXPECT_THAT(fault(), StartsWith("blob ")) << size << " bytes";
  }
  store(content + '\0');
  EXPECT_EQ(fault(), "1 bytes follow the last blob, must be none");
}

TEST_F(Popef, a_file_cut_off_while_it_is_listed_is_told_from_a_bad_one) {
  written(small());
  const auto file = open_popef(path_);
  ASSERT_TRUE(file.ok());
  std::filesystem::resize_file(path_, 0);
  const auto blobs = list_blobs(*file);
  ASSERT_FALSE(blobs.ok());
  EXPECT_THAT(blobs.error().message, HasSubstr("was cut off while it was read"));
}

TEST_F(Popef, a_changed_byte_is_blamed_on_its_blob) {
  std::string content = written(small());
  const uint64_t weights = (*list_blobs(path_))[2].offset;
  content[weights] ^= 1;
  store(content);
  EXPECT_THAT(fault(), StartsWith("blob 2 (tensor data 'w'): its content was changed"));
}

TEST_F(Popef, another_version_has_its_own_message) {
  std::string content = written(small());
  const size_t at = content.find(kPopefVersion);
  content[at + kPopefVersion.size() - 1] = '9';
  store(content);
  EXPECT_EQ(fault(),
            "blob 0: is of file format 'tessera-popef-9', must be 'tessera-popef-1': run it with a "
            "Tessera whose 'tessera version' says file format tessera-popef-9, or compile the "
            "model again");
}

// A later version of the same format may use what this one does not know; it says which it is.
TEST_F(Popef, a_program_of_a_later_version_names_the_version_that_runs_it) {
  Executable executable = small();
  executable.metadata.compiler_version = "77.1.0";
  written(executable);
  EXPECT_EQ(fault(), "");
  const auto unknown = [](const Program&, const ComputeSet&) -> Status {
    return Error{"codelet 'new' is not one of ours"};
  };
  const auto read = read_popef(path_, unknown);
  ASSERT_FALSE(read.ok());
  EXPECT_THAT(read.error().message, HasSubstr("codelet 'new' is not one of ours"));
  EXPECT_THAT(read.error().message,
              HasSubstr("; Tessera 77.1.0 made the file and runs it, this is Tessera "));
  executable.metadata.compiler_version = "0.1.0";
  written(executable);
  const auto ours = read_popef(path_, unknown);
  ASSERT_FALSE(ours.ok());
  EXPECT_THAT(ours.error().message, Not(HasSubstr("made the file")));
}

TEST_F(Popef, what_is_no_popef_is_refused) {
  store(std::string(200, 'x'));
  EXPECT_EQ(fault(),
            "blob 0: does not begin with 'TESSPOPF', so this is not an executable of Tessera "
            "(.popef); 'tessera compile' makes one from an ONNX model");
  store("");
  EXPECT_EQ(fault(), "blob 0: the file ends after 0 of its bytes, must have the 128 of a header");
  std::filesystem::remove(path_);
  EXPECT_FALSE(read_popef(path_, accept_all).ok());
}

TEST_F(Popef, a_blob_of_another_file_does_not_fit_in) {
  const std::string content = written(small());
  const uint64_t begin = (*list_blobs(path_))[2].offset - 192;  // header and name
  weights_[0] = 9;
  std::string other = written(small());
  ASSERT_EQ(content.size(), other.size());
  other.replace(begin, 192 + 192, content, begin, 192 + 192);
  store(other);
  EXPECT_EQ(fault(),
            "blob 3: its header or name was changed, must have the SHA-256 that stands there");
}

TEST_F(Popef, sizes_in_headers_are_not_believed) {
  const std::string content = written(small());
  const auto with = [&](auto change) {
    BlobHeader header;
    std::memcpy(&header, content.data(), sizeof header);
    change(header);
    Sha256Stream link;
    link.add(Sha256{});
    link.add(std::as_bytes(std::span(&header, 1)).first(sizeof header - sizeof(Sha256)));
    link.add(std::as_bytes(std::span(content)).subspan(sizeof header, 64));
    header.header_sha256 = link.finish();
    std::string changed = content;
    std::memcpy(changed.data(), &header, sizeof header);
    store(changed);
    return fault();
  };
  EXPECT_EQ(with([](BlobHeader&) {}), "");
  EXPECT_THAT(with([](BlobHeader& h) { h.total_bytes = uint64_t{1} << 63; }),
              HasSubstr("bytes, must have at most the"));
  for (uint64_t bytes : {~uint64_t{0}, uint64_t{0}, uint64_t{1} << 40})
    EXPECT_THAT(with([&](BlobHeader& h) { h.content_bytes = bytes; }), HasSubstr("must hold"));
  for (uint64_t bytes : {uint64_t{0}, uint64_t{64}, uint64_t{192}})
    EXPECT_THAT(with([&](BlobHeader& h) { h.total_bytes = bytes; }), HasSubstr("must hold"));
  EXPECT_EQ(with([](BlobHeader& h) { h.name_bytes = 1u << 31; }),
            "blob 0: name has 2147483648 bytes, must have at most 4096");
  EXPECT_EQ(with([](BlobHeader& h) { h.type = 6; }), "blob 0: type is 6, must be 1 to 5");
  EXPECT_EQ(with([](BlobHeader& h) { h.count = 0; }), "blob 0: is number 0 of 0, must be 0 of 1");
  EXPECT_EQ(with([](BlobHeader& h) { h.count = 1u << 31; }),
            "blob 0: there are 2147483648 blobs, must be at most 100003");
}

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

TEST_F(Popef, a_full_disk_leaves_the_old_file_and_nothing_else) {
  const std::string before = written(small());
  weights_[0] = 9;
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Executable executable = small();
    const auto result = write_popef(executable, path_);
    const bool told =
        !result.ok() && result.error().message.find("File too large") != std::string::npos;
    ::_exit(told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(contents(), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1);
}

TEST_F(Popef, a_missing_folder_is_named) {
  Executable executable = small();
  EXPECT_THAT(write_popef(executable, folder_ / "no/small.popef").error().message,
              AllOf(HasSubstr("/no/small.popef"), HasSubstr("No such file or directory")));
}

}  // namespace
}  // namespace tessera
