// SPDX-License-Identifier: Apache-2.0
#include "support/npz.h"

#include <gmock/gmock.h>

#include <cstring>
#include <fstream>

#include "support/file.h"
#include "tests/helpers/temporary_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::string number(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

struct Member {
  std::string name, content;
  int method = 0;
};

// As numpy.savez writes it: an extra field of 20 bytes in front of each file.
std::string archive_of(const std::vector<Member>& members) {
  std::string files, directory;
  for (const Member& member : members) {
    const std::string size = number(member.content.size(), 4);
    const std::string start = number(member.method, 2) + number(0, 4) + number(0, 4) + size + size +
                              number(member.name.size(), 2);
    directory += "PK\1\2" + number(45, 2) + number(45, 2) + number(0, 2) + start + number(0, 2) +
                 number(0, 2) + number(0, 2) + number(0, 2) + number(0, 4) +
                 number(files.size(), 4) + member.name;
    files += "PK\3\4" + number(45, 2) + number(0, 2) + start + number(20, 2) + member.name +
             std::string(20, 'x') + member.content;
  }
  return files + directory + "PK\5\6" + number(0, 4) + number(members.size(), 2) +
         number(members.size(), 2) + number(directory.size(), 4) + number(files.size(), 4) +
         number(0, 2);
}

class Npz : public TemporaryFolder {
 protected:
  std::string npy_of(const std::string& descr, const Shape& shape, const std::string& data) {
    const auto bytes = std::as_bytes(std::span(data));
    EXPECT_TRUE(write_npy(path("one.npy"),
                          {
                              descr, shape, {bytes.begin(), bytes.end()}
    })
                    .ok());
    return read_text_file(path("one.npy")).take();
  }
  Expected<std::map<std::string, NpyArray>> read(const std::string& file,
                                                 int64_t most = kMostArrayBytes) {
    std::ofstream(path("a.npz"), std::ios::binary) << file;
    return read_npz(path("a.npz"), most);
  }
  std::string error(const std::string& file) {
    const auto arrays = read(file);
    if (arrays.ok()) return "";
    EXPECT_EQ(arrays.error().kind, ErrorKind::BadFile);
    EXPECT_TRUE(arrays.error().message.starts_with(path("a.npz") + ": "));
    return arrays.error().message;
  }
};

TEST_F(Npz, arrays_are_read_by_name) {
  const auto arrays = read(archive_of({
      {"input_ids.npy", npy_of("<i4", {2}, std::string("\5\0\0\0\6\0\0\0", 8))},
      {"mask.npy", npy_of("|b1", {1, 3}, "\1\1\1")}
  }));
  ASSERT_TRUE(arrays.ok()) << arrays.error().message;
  ASSERT_EQ(arrays->size(), 2u);
  EXPECT_EQ(arrays->at("input_ids").descr, "<i4");
  EXPECT_EQ(arrays->at("input_ids").shape, Shape{2});
  EXPECT_EQ(arrays->at("input_ids").bytes[4], std::byte{6});
  EXPECT_EQ(arrays->at("mask").shape, (Shape{1, 3}));
  EXPECT_EQ(read(archive_of({}))->size(), 0u);
}

TEST_F(Npz, what_is_not_such_an_archive_is_told) {
  const std::string npy = npy_of("|b1", {1}, "\1");
  EXPECT_THAT(error(""), HasSubstr("must be a ZIP archive"));
  EXPECT_THAT(error(npy), HasSubstr("must be a ZIP archive"));
  EXPECT_THAT(error(archive_of({
                  {"a.npy", npy, 8}
  })),
              HasSubstr("'a.npy': is compressed or encrypted, must be stored"));
  EXPECT_THAT(error(archive_of({
                  {"a.npy", "text"}
  })),
              HasSubstr("'a.npy': is not a .npy file"));
  EXPECT_THAT(error(archive_of({
                  {"a.npy", npy},
                  {"a.npy", npy}
  })),
              HasSubstr("'a.npy' is there twice"));
}

TEST_F(Npz, all_arrays_together_are_bounded) {
  const std::string npy = npy_of("|b1", {4}, "abcd");
  const std::string file = archive_of({
      {"a.npy", npy},
      {"b.npy", npy}
  });
  EXPECT_TRUE(read(file, 8).ok());
  const auto refused = read(file, 7);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::Refused);
}

TEST_F(Npz, no_damage_is_more_than_an_error) {
  const std::string file = archive_of({
      {"a.npy", npy_of("|b1", {4}, "abcd")},
      {"b.npy", npy_of("|b1", {4}, "abcd")}
  });
  for (size_t size = 0; size < file.size(); ++size)
    EXPECT_FALSE(read(file.substr(0, size)).ok()) << size;
  for (size_t at = 0; at < file.size(); ++at) {
    for (const char value : {'\0', '\xff', '\x7f'}) {
      std::string damaged = file;
      damaged[at] = value;
      static_cast<void>(read(damaged));  // the sanitizers of the other build look on
    }
  }
}

}  // namespace
}  // namespace tessera
