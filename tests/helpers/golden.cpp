// SPDX-License-Identifier: Apache-2.0
#include "tests/helpers/golden.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>

#include "support/file.h"
#include "tests/helpers/paths.h"

namespace tessera {
namespace {

constexpr std::string_view kBefore = "--- before\n";
constexpr std::string_view kAfter = "--- after\n";
constexpr std::string_view kError = "--- error\n";

// Takes the text up to `end`, and `end` itself, off the front of `text`.
bool take_until(std::string_view& text, std::string_view end, std::string& taken) {
  const size_t at = text.find(end);
  if (at == std::string_view::npos) return false;
  taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return true;
}

void read_golden(std::string_view text, GoldenCase& golden) {
  std::string head;
  if (!take_until(text, "\n", head) || head.find(": ") == std::string::npos) {
    golden.broken = "must start with a line such as 'passes: cancel_transposes'";
    return;
  }
  golden.kind = head.substr(0, head.find(": "));
  golden.argument = head.substr(head.find(": ") + 2);
  if (!take_until(text, kBefore, golden.title) || golden.title.empty()) {
    golden.broken = "must have a title and then --- before";
    return;
  }
  golden.fails = text.find(kAfter) == std::string_view::npos;
  if (!take_until(text, golden.fails ? kError : kAfter, golden.before)) {
    golden.broken = "must have --- after or --- error";
    return;
  }
  golden.expected = text;
}

void rewrite(const GoldenCase& golden, bool failed, const std::string& actual) {
  std::string text = golden.kind + ": " + golden.argument + "\n" + golden.title;
  text += kBefore;
  text += golden.before;
  text += failed ? kError : kAfter;
  text += actual;
  const Status written = write_file_atomic(golden.path, text);
  EXPECT_TRUE(written.ok()) << written.error().message;
}

bool updating() {
  const char* update = std::getenv("UPDATE_GOLDENS");
  return update != nullptr && std::string_view(update) == "1";
}

}  // namespace

void PrintTo(const GoldenCase& golden, std::ostream* out) { *out << golden.path; }

std::vector<GoldenCase> read_goldens(const std::string& folder) {
  std::vector<GoldenCase> goldens;
  const std::string root = tessera::test::source_dir() + "/tests/" + folder;
  for (const auto& entry : std::filesystem::directory_iterator(root)) {
    if (entry.path().extension() != ".test") continue;
    GoldenCase golden;
    golden.path = entry.path();
    const Expected<std::string> text = read_text_file(golden.path);
    if (text.ok()) read_golden(*text, golden);
    if (!text.ok()) golden.broken = text.error().message;
    goldens.push_back(std::move(golden));
  }
  std::ranges::sort(goldens, {}, &GoldenCase::path);
  return goldens;
}

std::string golden_name(const ::testing::TestParamInfo<GoldenCase>& info) {
  std::string name = std::filesystem::path(info.param.path).stem();
  std::ranges::replace_if(name, [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

void check_golden(const GoldenCase& golden, const GoldenRun& run) {
  ASSERT_EQ(golden.broken, "") << golden.path;
  const Expected<std::string> result = run(golden);
  const bool failed = !result.ok();
  const std::string actual = failed ? result.error().message + "\n" : *result;
  if (updating()) {
    if (failed != golden.fails || actual != golden.expected) rewrite(golden, failed, actual);
    return;
  }
  EXPECT_EQ(golden.fails ? "error" : "after", failed ? "error" : "after") << golden.title << actual;
  EXPECT_EQ(golden.expected, actual) << golden.title << golden.path;
}

void check_text_golden(const std::string& file, const std::string& actual) {
  const std::string path = tessera::test::source_dir() + "/tests/" + file;
  const Expected<std::string> expected = read_text_file(path);
  if (updating()) {
    if (expected.ok() && *expected == actual) return;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    const Status written = write_file_atomic(path, actual);
    EXPECT_TRUE(written.ok()) << written.error().message;
    return;
  }
  ASSERT_TRUE(expected.ok()) << expected.error().message << "; UPDATE_GOLDENS=1 writes it";
  EXPECT_EQ(*expected, actual) << path << ": UPDATE_GOLDENS=1 takes what is new";
}

}  // namespace tessera
