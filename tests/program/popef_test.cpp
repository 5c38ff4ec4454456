// SPDX-License-Identifier: Apache-2.0
#include "program/popef.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/program/popef_fixture.h"

namespace tessera {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

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
