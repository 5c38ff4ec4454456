// SPDX-License-Identifier: Apache-2.0
// The rooms that each room may include: every #include of the tree against docs/architecture.md.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/architecture/sources.h"
#include "tests/helpers/paths.h"

namespace fs = std::filesystem;
using Names = std::set<std::string>;

namespace {

// Room -> the rooms that it may include, besides itself: the second block of docs/architecture.md.
using Rooms = std::map<std::string, Names>;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

const Rooms& rooms() {
  static const Rooms all = [] {
    Rooms rooms;
    const std::regex pattern(R"re(^([a-z/]+):((?: +[a-z/]+)*)$)re");
    for (const std::string& line :
         lines_of(fs::path(tessera::test::source_dir()) / "docs/architecture.md")) {
      std::smatch match;
      if (!std::regex_match(line, match, pattern)) continue;
      std::istringstream words(match[2]);
      Names& allowed = rooms[match[1]];
      for (std::string word; words >> word;) allowed.insert(word);
    }
    return rooms;
  }();
  return all;
}

// The innermost room of a path from the source folder; "" for what stands in none.
std::string room_of(const std::string& path) {
  std::string best;
  for (const auto& [room, allowed] : rooms())
    if (path.starts_with(room + "/") && room.size() > best.size()) best = room;
  return best;
}

// A third party -> the folders (by prefix of the path) that may include it.
const std::vector<std::pair<std::string, std::vector<std::string>>> kThirdParties = {
    {"llvm",            {"executor/jit"}                                                 },
    {"boost/",          {"tools/", "server/"}                                            },
    {"grpc",            {"server/grpc_"}                                                 },
    {"sodium.h",        {"support/minisign"}                                             },
    {"seccomp.h",       {"tools/sandbox/sandbox.cpp"}                                    },
    {"zip.h",           {"tools/files/npz.cpp"}                                          },
    {"google/protobuf",
     {"compiler/onnx/", "program/", "server/grpc_server.cpp", "server/infer_message.cpp"}},
    {"perfetto.pb.h",   {"trace/track_events.cpp"}                                       },
    {"onnx.pb.h",       {"compiler/onnx/"}                                               },
    {"openssl/",        {"support/"}                                                     },
    {"pybind11/",       {"python/"}                                                      },
};

struct Include {
  std::string file;    // relative to the source folder
  std::string header;  // as written
};

std::vector<fs::path> sources_of(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".cpp" || extension == ".h" || extension == ".def") files.push_back(entry);
  }
  return files;
}

Names top_folders() {
  Names folders;
  for (const auto& [room, allowed] : rooms()) folders.insert(room.substr(0, room.find('/')));
  return folders;
}

std::vector<Include> all_includes() {
  const fs::path root = tessera::test::source_dir();
  const std::regex pattern(R"re(^\s*#\s*include\s*[<"]([^>"]+)[>"])re");
  std::vector<Include> all;
  for (const std::string& folder : top_folders()) {
    for (const fs::path& path : sources_of(root / folder)) {
      for (const std::string& line : lines_of(path)) {
        std::smatch match;
        if (std::regex_search(line, match, pattern))
          all.push_back({fs::relative(path, root), match[1]});
      }
    }
  }
  return all;
}

TEST(Layers, a_room_includes_only_what_the_picture_says) {
  for (const Include& include : all_includes()) {
    const std::string from = room_of(include.file), to = room_of(include.header);
    if (to.empty() || to == from) continue;
    EXPECT_TRUE(rooms().at(from).contains(to)) << include.file << " includes " << include.header;
  }
}

TEST(Layers, the_picture_has_no_arrow_that_nothing_uses) {
  std::map<std::string, Names> used;
  for (const Include& include : all_includes())
    used[room_of(include.file)].insert(room_of(include.header));
  for (const auto& [room, allowed] : rooms())
    for (const std::string& to : allowed)
      EXPECT_TRUE(used[room].contains(to)) << room << " includes nothing of " << to;
}

// Takes away the rooms that include none of those that are left, until nothing changes; what stays
// then is on a circle or above one.
TEST(Layers, no_room_includes_itself_through_others) {
  Rooms left = rooms();
  for (bool changed = true; changed;) {
    changed = std::erase_if(left, [&](const auto& room) {
                return std::ranges::none_of(room.second,
                                            [&](const auto& to) { return left.contains(to); });
              }) > 0;
  }
  for (const auto& [room, allowed] : left) ADD_FAILURE() << room << " is on a circle or above one";
}

TEST(Layers, every_folder_of_sources_is_in_the_picture) {
  for (const std::string& name : tessera::test::built_folders())
    EXPECT_TRUE(top_folders().contains(name)) << name;
}

TEST(Layers, a_third_party_stays_behind_its_door) {
  for (const Include& include : all_includes()) {
    if (include.file.starts_with("tests/") || include.file.starts_with("bench/")) continue;
    for (const auto& [party, homes] : kThirdParties) {
      if (!include.header.starts_with(party)) continue;
      const bool at_home = std::any_of(homes.begin(), homes.end(), [&](const std::string& home) {
        return include.file.starts_with(home);
      });
      EXPECT_TRUE(at_home) << include.file << " includes " << include.header;
    }
  }
}

// A name from a file must not reach a terminal as it is: tools/print/print.cpp alone writes there.
TEST(Printing, the_verbs_print_through_the_filter_alone) {
  const std::regex pattern(
      R"re(fmt::v?print\b|std::cout|std::cerr|std::clog|\bf?printf\(|\bf?puts\(|\bfwrite\(|\bputc)re");
  for (const fs::path& path : sources_of(fs::path(tessera::test::source_dir()) / "tools")) {
    if (path.filename() == "print.cpp") continue;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      EXPECT_FALSE(std::regex_search(line, pattern)) << path << ": " << line;
  }
}

// A parser's own depth is the depth of the text, and so is that of what writes or compares the
// result: JSON of others is bounded first.
TEST(Json, is_parsed_where_its_depth_has_been_checked) {
  const std::regex parses(R"re(\b[Jj]son::parse\()re"),
      checks(R"re(\bcheck_json\(|to_json_line)re");
  int parsed = 0;
  for (const std::string& folder : top_folders()) {
    if (folder == "tests" || folder == "bench") continue;
    for (const fs::path& path : sources_of(fs::path(tessera::test::source_dir()) / folder)) {
      if (path.filename() == "inspection.cpp") continue;  // of an executable, checked as it is read
      std::ifstream file(path);
      constexpr int kNear = 8;
      int since_check = kNear + 1;
      for (std::string line; std::getline(file, line);) {
        ++since_check;
        if (std::regex_search(line, checks)) since_check = 0;
        if (!std::regex_search(line, parses)) continue;
        ++parsed;
        EXPECT_LE(since_check, kNear) << path << ": " << line;
      }
    }
  }
  EXPECT_GE(parsed, 10);
}

TEST(Sizes, no_source_is_longer_than_two_ideas_allow) {
  for (const std::string& folder : top_folders()) {
    const int most = folder == "tests" || folder == "bench" ? 400 : 600;
    for (const fs::path& path : sources_of(fs::path(tessera::test::source_dir()) / folder)) {
      std::ifstream file(path);
      int lines = 0;
      for (std::string line; std::getline(file, line);) ++lines;
      EXPECT_LE(lines, most) << path;
    }
  }
}

}  // namespace
