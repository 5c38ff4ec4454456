// SPDX-License-Identifier: Apache-2.0
// The files that the program reads and writes, and what is left of them when it is stopped.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>
#include <filesystem>

#include "support/file_names.h"
#include "support/npy.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// An ONNX model by hand: %y = Relu(x), %z = Sign(x), x float[2,4].
std::string field(int number, const std::string& bytes) {
  std::string out(1, static_cast<char>(number << 3 | 2));
  for (size_t size = bytes.size();; size >>= 7) {
    out += static_cast<char>((size & 0x7f) | (size > 0x7f ? 0x80 : 0));
    if (size <= 0x7f) return out + bytes;
  }
}
std::string value(const std::string& name) {
  const std::string shape = field(1, "\x08\x02") + field(1, "\x08\x04");
  return field(1, name) + field(2, field(1, std::string("\x08\x01") + field(2, shape)));
}
std::string node(const std::string& op, const std::string& x, const std::string& y) {
  return field(1, field(1, x) + field(2, y) + field(4, op));
}
std::string model_of(const std::string& file, const std::string& x, const std::string& y,
                     const std::string& z) {
  const std::string graph = node("Relu", x, y) + node("Sign", x, z) + field(2, "g") +
                            field(11, value(x)) + field(12, value(y)) + field(12, value(z));
  write_file(path(file), std::string("\x08\x08") + field(7, graph) + field(8, "\x10\x0d"));
  return path(file);
}

std::string write_x(const std::string& folder, const std::string& file) {
  fs::create_directories(path(folder));
  NpyArray array{
      "<f4", {2, 4},
       std::vector<std::byte>(32)
  };
  const float value = -3;
  for (size_t i = 0; i < 8; ++i) std::memcpy(array.bytes.data() + 4 * i, &value, 4);
  EXPECT_TRUE(write_npy(path(folder + "/" + file), array).ok());
  return path(folder);
}

float first_of(const std::string& file) {
  const auto array = read_npy(path(file));
  float value = 99;
  if (array.ok()) std::memcpy(&value, array->bytes.data(), 4);
  return value;
}

TEST(Names, that_share_an_underscore_have_a_file_each) {
  const std::string model = model_of("collide.onnx", "x", "y/0", "y_0");
  const Result run = tessera({"run", model, "--target", "test", "--inputs",
                              write_x("collide_in", "x.npy"), "--outputs", path("collide_out")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(first_of("collide_out/y%2F0.npy"), 0);
  EXPECT_EQ(first_of("collide_out/y_0.npy"), -1);
}

TEST(Names, of_any_letters_work_on_every_path) {
  const std::string name = "a/b:c=d,e";
  const std::string model = model_of("letters.onnx", name, "../up", "z");
  for (const char* file : {"a_b_c_d_e.npy", "a%2Fb%3Ac%3Dd%2Ce.npy"}) {
    const std::string inputs = write_x(std::string("in_") + file, file);
    const Result run = tessera({"run", model, "--target", "test", "--inputs", inputs, "--outputs",
                                path(std::string("out_") + file)});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_EQ(first_of(std::string("out_") + file + "/z.npy"), -1);
    EXPECT_EQ(first_of(std::string("out_") + file + "/%2E.%2Fup.npy"), 0);
  }
  const Result compiled = tessera({"compile", "--input_model", model, "--target", "test",
                                   "--input_shape", name + "=2,4", "-o", path("letters.popef")});
  ASSERT_EQ(compiled.exit_code, 0) << compiled.err;
  const Result run = tessera({"run", path("letters.popef"), "--inputs", path("in_a_b_c_d_e.npy"),
                              "--outputs", path("letters_out")});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_FALSE(fs::exists(path("up.npy")));
}

TEST(Names, too_long_for_a_file_have_a_file_of_their_own) {
  const std::string y = std::string(300, 'y'), z = y + "z";
  const std::string model = model_of("long.onnx", "x", y, z);
  const Result run = tessera({"run", model, "--target", "test", "--inputs",
                              write_x("long_in", "x.npy"), "--outputs", path("long_out")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(first_of("long_out/" + escaped_file(y)), 0);
  EXPECT_EQ(first_of("long_out/" + escaped_file(z)), -1);
}

// In each the escape, and what may stand as it is.
TEST(Names, in_flags_are_escaped_where_they_separate) {
  const std::string name = "a;b[0]=c d", word = "a%3Bb%5B0%5D%3Dc%20d";
  const std::string model = model_of("separators.onnx", name, "y", "z");
  const std::vector<std::string> run = {"run", model, "--target", "test"};
  const auto with = [&run](std::vector<std::string> more) {
    more.insert(more.begin(), run.begin(), run.end());
    return tessera(more);
  };
  for (const std::string& shape : {word + "=2,4", name + "=2,4"}) {
    const Result ran = with({"--random", shape});
    EXPECT_EQ(ran.exit_code, 0) << ran.err;
  }
  const Result warm = with({"--random", word + "=2,4", "--warm_up", word + "=2,4"});
  EXPECT_EQ(warm.exit_code, 0) << warm.err;
  const Result read = with({"--inputs", write_x("separators_in", word + ".npy"), "--outputs",
                            path("separators_out"), "--input_shape", word + "=2,4"});
  EXPECT_EQ(read.exit_code, 0) << read.err;
  const Result compiled = tessera({"compile", "--input_model", model, "--target", "test",
                                   "--input_shape", word + "=2,4", "-o", path("separators.popef")});
  ASSERT_EQ(compiled.exit_code, 0) << compiled.err;
  const Result inspected = tessera({"inspect", path("separators.popef"), "--json"});
  EXPECT_THAT(inspected.out, HasSubstr(word + "=[2,4]"));
}

TEST(Names, that_end_as_files_do_are_told_from_those) {
  const std::string model = model_of("npy.onnx", "x.npy", "y", "y.npy");
  const Result run = tessera({"run", model, "--target", "test", "--inputs",
                              write_x("npy_in", "x.npy.npy"), "--outputs", path("npy_out")});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(first_of("npy_out/y.npy"), 0);
  EXPECT_EQ(first_of("npy_out/y.npy.npy"), -1);
}

TEST(Readers, refuse_pipes_and_devices_at_once) {
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(path("fifo.csv").c_str(), 0600), 0);
  const std::string pipe = path("fifo");
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"recompiles", "list", pipe},
           {"recompiles", "list", "/dev/zero"},
           {"inspect", pipe},
           {"run", pipe, "--random", "yes"},
           {"compile", "--input_model", pipe, "-o", path("none.popef")},
           {"pack", path("fifo.csv")},
           {"bench", "--online", "--replay", pipe},
           {"bench", "--online", "--virtual", "--batch_microseconds", "9", "--trace", pipe},
  }) {
    const Result result = tessera(words);
    EXPECT_THAT(result.exit_code, ::testing::AnyOf(1, 5)) << words[0];
    EXPECT_THAT(result.err, HasSubstr("is not a regular file")) << words[0];
  }
}

TEST(Log, that_was_cut_off_is_read_with_a_warning) {
  const std::string log = path("torn.jsonl");
  const std::vector<std::string> words = {"run",      tiny_model(),     "--target", "test",
                                          "--random", "input_ids=4,16", "--events", log};
  ASSERT_EQ(tessera(words).exit_code, 0);
  write_file(log, read_file(log) + "{\"schema\":\"recomp");
  ASSERT_EQ(tessera(words).exit_code, 0);
  const Result list = tessera({"recompiles", "list", log});
  EXPECT_EQ(list.exit_code, 0);
  EXPECT_THAT(list.out, HasSubstr("2 compiles"));
  EXPECT_THAT(list.err, HasSubstr("1 line was cut off and left out: line "));
}

}  // namespace
}  // namespace tessera::cli
