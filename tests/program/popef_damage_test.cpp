// SPDX-License-Identifier: Apache-2.0
// Files that are cut off, changed, or of another kind or version: each is refused, by its blob.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "tests/program/popef_fixture.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

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

}  // namespace
}  // namespace tessera
