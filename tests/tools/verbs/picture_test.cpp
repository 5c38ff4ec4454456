// SPDX-License-Identifier: Apache-2.0
// Pictures in the terminal: how wide they are, when they are in colour, and that they say what the
// tables say.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/helpers/paths.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;
using Words = std::vector<std::string>;

const char* const kPictures[] = {"tiles", "supersteps", "memory"};

// On the C600, so with many tiles and more supersteps than bars.
std::string c600_executable() {
  static const std::string file = [] {
    const std::string popef = path("c600.popef");
    const Result result = tessera(
        {"compile", "--input_model", tiny_model(), "--input_shape", "input_ids=4,16", "-o", popef});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return popef;
  }();
  return file;
}

Words drawing(const std::string& picture, const Words& more = {}) {
  Words words = {"inspect", c600_executable(), "--picture", picture};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

std::string without_colours(const std::string& text) {
  static const std::regex escapes("\033\\[[0-9;]*m");
  return std::regex_replace(text, escapes, "");
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::ptrdiff_t characters(const std::string& utf8) {
  return std::ranges::count_if(utf8, [](char c) { return (c & 0xc0) != 0x80; });
}

std::ptrdiff_t widest(const std::string& text) {
  std::ptrdiff_t most = 0;
  for (const std::string& line : lines_of(text)) most = std::max(most, characters(line));
  return most;
}

// stdout and stderr of the program on a terminal of the given TERM.
std::string on_terminal(const Words& words,
                        const std::vector<std::pair<std::string, std::string>>& environment) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  EXPECT_GE(terminal, 0);
  EXPECT_EQ(grantpt(terminal), 0);
  EXPECT_EQ(unlockpt(terminal), 0);
  const std::string name = ptsname(terminal), program = tessera::test::build_dir() + "/bin/tessera";
  std::vector<char*> arguments{const_cast<char*>(program.c_str())};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    const int side = open(name.c_str(), O_RDWR | O_NOCTTY);
    for (const char* unset : {"TERM", "NO_COLOR", "COLUMNS"}) unsetenv(unset);
    for (const auto& [variable, value] : environment) setenv(variable.c_str(), value.c_str(), 1);
    if (dup2(side, STDOUT_FILENO) < 0 || dup2(side, STDERR_FILENO) < 0) _exit(126);
    close(side);
    execv(program.c_str(), arguments.data());
    _exit(127);
  }
  std::string text;
  char bytes[4096];
  // The read fails once the last holder of the other side has closed it.
  for (ssize_t count; (count = read(terminal, bytes, sizeof bytes)) > 0;)
    text.append(bytes, static_cast<size_t>(count));
  close(terminal);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  return text;
}

TEST(Pictures, fit_the_terminal_and_80_columns_where_there_is_none) {
  for (const std::string picture : kPictures) {
    const Result usual = tessera_in({.unset = {"COLUMNS"}}, drawing(picture));
    EXPECT_EQ(usual.exit_code, 0) << usual.err;
    EXPECT_LE(widest(usual.out), 80) << usual.out;
    EXPECT_GT(widest(usual.out), 60) << usual.out;
    Surroundings wide;
    wide.environment = {
        {"COLUMNS", "160"}
    };
    const std::ptrdiff_t width = widest(tessera_in(wide, drawing(picture)).out);
    EXPECT_LE(width, 160) << picture;
    EXPECT_GT(width, 80) << picture;
    for (const char* columns : {"0", "-5", "7", "99999999999999999999", "many"}) {
      wide.environment[0].second = columns;
      EXPECT_EQ(tessera_in(wide, drawing(picture)).exit_code, 0) << columns;
    }
  }
}

TEST(Pictures, every_tile_is_a_digit) {
  const Json inspected = Json::parse(tessera({"inspect", c600_executable(), "--json"}).out);
  const std::string text = tessera_in({.unset = {"COLUMNS"}}, drawing("tiles")).out;
  std::string digits;
  for (const std::string& line : lines_of(text))
    if (const size_t bar = line.find('|'); bar != std::string::npos)
      digits += line.substr(bar + 1, line.rfind('|') - bar - 1);
  ASSERT_EQ(digits.size(), inspected["tiles"].get<size_t>());
  EXPECT_EQ(digits.find_first_not_of("0123456789.#"), std::string::npos);
  const auto peak = inspected["memory"]["peak_bytes"].get<double>();
  EXPECT_EQ(digits[inspected["memory"]["peak_tile"].get<size_t>()],
            static_cast<char>('0' + static_cast<int>(10 * peak / 638976)));
}

TEST(Pictures, the_tiles_of_a_superstep_are_drawn_by_their_cycles) {
  const Json inspected = Json::parse(tessera({"inspect", c600_executable(), "--json"}).out);
  const std::string name = inspected["supersteps"][0]["name"];
  const std::string text = tessera(drawing("tiles", {"--superstep", name})).out;
  EXPECT_THAT(text, HasSubstr("cycles of compute"));
  std::ptrdiff_t busy = 0;
  for (const std::string& line : lines_of(text))
    if (const size_t bar = line.find(" |"); bar != std::string::npos)
      busy += std::ranges::count_if(line.substr(bar), [](char c) { return c >= '0' && c <= '9'; });
  EXPECT_EQ(busy, inspected["supersteps"][0]["vertices"].get<std::ptrdiff_t>());
}

TEST(Pictures, bars_are_for_the_longest_supersteps_and_all_are_counted) {
  const Json inspected = Json::parse(tessera({"inspect", c600_executable(), "--json"}).out);
  const std::vector<std::string> lines =
      lines_of(tessera_in({.unset = {"COLUMNS"}}, drawing("supersteps")).out);
  ASSERT_GT(inspected["supersteps"].size(), 24u);
  size_t bars = 0, left_out = 0;
  int64_t cycles = 0;
  std::string longest;
  for (size_t i = 2; i < lines.size(); ++i) {
    std::istringstream words(lines[i]);
    std::string first, second;
    words >> first >> second;
    if (first == "…")
      left_out += std::stoul(second);
    else
      ++bars;
    std::string count = lines[i].substr(lines[i].size() - 18, 11);
    std::erase(count, ',');
    cycles += std::stoll(count);
    if (std::ranges::count_if(lines[i], [](char c) { return c == 'c' || c == 'e' || c == 's'; }) >
        30)
      longest = lines[i];
  }
  EXPECT_EQ(bars, 24u);
  EXPECT_EQ(bars + left_out, inspected["supersteps"].size());
  EXPECT_EQ(cycles, inspected["cycles"]["total"].get<int64_t>());
  EXPECT_FALSE(longest.empty()) << "one bar is as long as there is room";
}

TEST(Pictures, colours_say_nothing_that_letters_do_not) {
  for (const std::string picture : kPictures) {
    const std::string plain = tessera(drawing(picture)).out;
    EXPECT_THAT(plain, Not(HasSubstr("\033"))) << "no terminal listens";
    const std::string coloured = tessera(drawing(picture, {"--color", "always"})).out;
    EXPECT_THAT(coloured, HasSubstr("\033[30;48;5;"));
    EXPECT_EQ(without_colours(coloured), plain);
    EXPECT_EQ(tessera(drawing(picture, {"--color=never"})).out, plain);
  }
}

TEST(Pictures, colours_follow_the_terminal_and_its_user) {
  const auto in_colour = [&](const std::vector<std::pair<std::string, std::string>>& environment,
                             const Words& more = {}) {
    return on_terminal(drawing("tiles", more), environment).find('\033') != std::string::npos;
  };
  EXPECT_TRUE(in_colour({
      {"TERM", "xterm-256color"}
  }));
  EXPECT_TRUE(in_colour({
      {"TERM",     "xterm"},
      {"NO_COLOR", ""     }
  }))
      << "an empty NO_COLOR counts as unset";
  EXPECT_FALSE(in_colour({
      {"TERM",     "xterm"},
      {"NO_COLOR", "1"    }
  }));
  EXPECT_FALSE(in_colour({
      {"TERM", "dumb"}
  }));
  EXPECT_FALSE(in_colour({})) << "a terminal that does not say what it is";
  EXPECT_TRUE(in_colour(
      {
          {"TERM",     "dumb"},
          {"NO_COLOR", "1"   }
  },
      {"--color", "always"}));
  EXPECT_FALSE(in_colour(
      {
          {"TERM", "xterm"}
  },
      {"--color", "never"}));
}

TEST(Pictures, a_batch_is_drawn_in_80_columns_and_in_colour_where_it_is_asked_for) {
  const Words pack = {"pack", "--random", "200", "--rows", "16", "--picture", "0"};
  const Words bench = {"bench", "--online", "--virtual", "--batch_microseconds",
                       "900",   "--rate",   "1e4",       "--requests",
                       "50",    "--explain"};
  for (Words words : {pack, bench}) {
    const std::string plain = tessera_in({.unset = {"COLUMNS"}}, words).out;
    for (const std::string& line : lines_of(plain))
      EXPECT_LE(line.starts_with("row ") ? line.size() : 0u, 80u) << line;
    EXPECT_THAT(plain, HasSubstr("row  0 |a"));
    EXPECT_THAT(plain, Not(HasSubstr("\033")));
    words.insert(words.end(), {"--color", "always"});
    EXPECT_THAT(tessera(words).out, HasSubstr("\033[30;48;5;"));
  }
}

TEST(Pictures, a_line_that_is_rewritten_needs_a_terminal_that_rewrites) {
  const Words words = {
      "compile", "--input_model",       tiny_model(), "--input_shape", "input_ids=4,16",
      "-o",      path("progress.popef")};
  EXPECT_THAT(on_terminal(words,
                          {
                              {"TERM", "xterm"}
  }),
              HasSubstr("\r\033[K"));
  EXPECT_THAT(on_terminal(words,
                          {
                              {"TERM", "dumb"}
  }),
              Not(HasSubstr("\033")));
}

TEST(Pictures, what_cannot_be_drawn_is_a_usage_error) {
  for (const auto& [words, error] : std::vector<std::pair<Words, std::string>>{
           {drawing("cats"), "--picture: 'cats', must be tiles, supersteps or memory"},
           {drawing("tiles", {"--json"}), "--picture: is for people, must be left out with --json"},
           {drawing("tiles", {"--color", "red"}), "--color: 'red', must be auto, always or never"},
           {drawing("tiles", {"--superstep", "nobody"}), "--superstep: there is no 'nobody'"}
  }) {
    const Result result = tessera(words);
    EXPECT_EQ(result.exit_code, kUsage) << error;
    EXPECT_THAT(result.err, HasSubstr(error));
  }
}

}  // namespace
}  // namespace tessera::cli
