// SPDX-License-Identifier: Apache-2.0
#include "support/npy.h"

#include <gmock/gmock.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>

#include "support/file.h"
#include "tests/helpers/test_with_folder.h"

namespace tessera {
namespace {

using ::testing::HasSubstr;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// A version 1 file of this header and these data, as NumPy pads it.
std::string file_of(std::string header, const std::string& data) {
  header.resize((10 + header.size() + 64) / 64 * 64 - 10, ' ');
  header.back() = '\n';
  std::string file = "\x93NUMPY";
  file += {1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  return file + header + data;
}
std::string file_of_four(const std::string& descr, const std::string& shape) {
  return file_of("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }",
                 "abcd");
}

class Npy : public TestWithFolder {
 protected:
  Expected<NpyArray> read(const std::string& file) {
    std::ofstream(path("a.npy"), std::ios::binary) << file;
    return read_npy(path("a.npy"));
  }
  std::string error(const std::string& file) {
    const Expected<NpyArray> array = read(file);
    if (array.ok()) return "";
    EXPECT_TRUE(array.error().message.starts_with(path("a.npy") + ": "));
    EXPECT_EQ(array.error().kind, ErrorKind::BadFile);
    return array.error().message.substr(path("a.npy").size() + 2);
  }
};

TEST_F(Npy, what_is_written_is_read) {
  for (const Shape& shape : {
           Shape{},
           Shape{4},
           Shape{2, 2},
           Shape{1, 2, 2}
  }) {
    const NpyArray array{"|b1", shape, bytes_of(std::string(elements(shape), '\1'))};
    ASSERT_TRUE(write_npy(path("a.npy"), array).ok());
    const Expected<NpyArray> again = read_npy(path("a.npy"));
    ASSERT_TRUE(again.ok()) << again.error().message;
    EXPECT_EQ(again->descr, array.descr);
    EXPECT_EQ(again->shape, array.shape);
    EXPECT_EQ(again->bytes, array.bytes);
  }
}

TEST_F(Npy, files_are_byte_for_byte_as_numpy_writes_them) {
  ASSERT_TRUE(write_npy(path("a.npy"), {"<i4", {1}, bytes_of("abcd")}).ok());
  EXPECT_EQ(*read_text_file(path("a.npy")),
            file_of("{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }", "abcd"));
  EXPECT_EQ(read_text_file(path("a.npy"))->size(), 128u + 4);
}

TEST_F(Npy, every_plain_number_type_is_read) {
  for (const auto& [descr, shape] : {
           std::pair("<i4", "(1,)"),
           {"<f4", "()"    },
           {"<f2", "(2,)"  },
           {"|b1", "(4,)"  },
           {"|u1", "(2, 2)"},
           {"<i2", "(1, 2)"}
  }) {
    const Expected<NpyArray> array = read(file_of_four(descr, shape));
    ASSERT_TRUE(array.ok()) << array.error().message;
    EXPECT_EQ(array->descr, descr);
    EXPECT_EQ(array->bytes, bytes_of("abcd"));
  }
}

TEST_F(Npy, other_element_types_are_refused_by_name) {
  for (const char* descr : {">i4", "<U1", "|O", "<c8", "<f3", "|i4"})
    EXPECT_EQ(error(file_of_four(descr, "(1,)")),
              std::string("element type is '") + descr +
                  "', must be a little-endian integer, float or bool");
}

TEST_F(Npy, fortran_order_becomes_c_order) {
  const auto c_order = [&](const std::string& shape) {
    const auto array = this->read(file_of(
        "{'descr': '|u1', 'fortran_order': True, 'shape': " + shape + ", }", "abcdefghijkl"));
    EXPECT_TRUE(array.ok()) << array.error().message;
    return std::string(reinterpret_cast<const char*>(array->bytes.data()), array->bytes.size());
  };
  // numpy.array(list("abcdefghijkl")).reshape(shape, order="F").ravel(order="C")
  EXPECT_EQ(c_order("(3, 4)"), "adgjbehkcfil");
  EXPECT_EQ(c_order("(2, 3, 2)"), "agciekbhdjfl");
  EXPECT_EQ(c_order("(12,)"), "abcdefghijkl");
}

TEST_F(Npy, small_whole_numbers_widen) {
  const auto values = [](const std::string& descr, std::vector<uint8_t> bytes) {
    NpyArray array{descr, {2}, {}};
    for (const uint8_t byte : bytes) array.bytes.push_back(std::byte{byte});
    const NpyArray wide = widened(std::move(array));
    EXPECT_EQ(wide.descr, "<i4");
    std::vector<int32_t> out(2);
    std::memcpy(out.data(), wide.bytes.data(), wide.bytes.size());
    return out;
  };
  EXPECT_EQ(values("|u1", {1, 255}), (std::vector<int32_t>{1, 255}));
  EXPECT_EQ(values("|i1", {1, 255}), (std::vector<int32_t>{1, -1}));
  EXPECT_EQ(values("<u2", {1, 0, 255, 255}), (std::vector<int32_t>{1, 65535}));
  EXPECT_EQ(values("<i2", {1, 0, 255, 255}), (std::vector<int32_t>{1, -1}));
  EXPECT_EQ(widened({"|b1", {1}, {std::byte{1}}}).descr, "|b1");
}

TEST_F(Npy, data_must_be_as_long_as_the_shape_says) {
  EXPECT_EQ(error(file_of_four("<i4", "(2,)")), "holds 4 bytes of data, but <i4[2] takes 8");
  EXPECT_EQ(error(file_of_four("|u1", "(3,)")), "holds 4 bytes of data, but |u1[3] takes 3");
  EXPECT_EQ(error(file_of_four("<i8", "(1099511627776,)")),
            "holds 4 bytes of data, but <i8[1099511627776] takes 8796093022208");
}

// A file may be long and hold nothing: it is looked at before memory is taken for it.
TEST_F(Npy, more_than_the_limit_is_not_read) {
  std::ofstream(path("a.npy"), std::ios::binary)
      << file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (10000000000,), }", "");
  std::filesystem::resize_file(path("a.npy"),
                               std::filesystem::file_size(path("a.npy")) + 40'000'000'000);
  const Expected<NpyArray> array = read_npy(path("a.npy"));
  ASSERT_FALSE(array.ok());
  EXPECT_EQ(array.error().kind, ErrorKind::Refused);
  EXPECT_EQ(array.error().message,
            path("a.npy") +
                ": is <f4[10000000000] of 40000000000 bytes, must have at most "
                "17179869184");
  std::ofstream(path("a.npy"), std::ios::binary) << file_of_four("<f4", "(1,)");
  EXPECT_FALSE(read_npy(path("a.npy"), 3).ok());
  EXPECT_TRUE(read_npy(path("a.npy"), 4).ok());
}

TEST_F(Npy, what_is_not_such_a_file_is_refused) {
  EXPECT_EQ(error(""), "is not a .npy file: it must start with \\x93NUMPY");
  EXPECT_EQ(error("PK\3\4 this is a zip file"),
            "is not a .npy file: it must start with \\x93NUMPY");
  std::string newer = file_of_four("<i4", "(1,)");
  newer[6] = 9;
  EXPECT_EQ(error(newer), "is .npy version 9, must be 1, 2 or 3");
  EXPECT_THAT(error(file_of_four("<i4", "(1,)").substr(0, 40)),
              HasSubstr("bytes long, which it does not hold"));
}

TEST_F(Npy, headers_that_numpy_does_not_write_are_refused) {
  for (const char* header :
       {"", "{", "{}", "{'descr': '<i4'}", "[1]", "{'descr': '<i4', 'fortran_order': False, }",
        "{'descr': '<i4', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (9999999999, 9999999999)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
        "{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (1,)} more",
        "{'descr': '<i4', 'descr': '<i4', 'shape': (1,), 'fortran_order': False}"})
    EXPECT_EQ(error(file_of(header, "abcd")),
              "header cannot be read: it must be one dict of descr, fortran_order, shape")
        << header;
}

TEST_F(Npy, no_changed_byte_does_harm) {
  const std::string good = file_of_four("<i4", "(1,)");
  std::mt19937 random(3);
  int refused = 0;
  for (int i = 0; i < 300; ++i) {
    std::string bad = good;
    bad[random() % (good.size() - 4)] ^= static_cast<char>(1 + random() % 255);
    refused += read(bad).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace tessera
