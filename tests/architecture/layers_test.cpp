// SPDX-License-Identifier: Apache-2.0
// Who may include whom, read from the sources: an arrow that docs/architecture.md does not draw
// fails here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using Names = std::set<std::string>;

namespace {

// Folder -> the folders of ours that it may include, besides itself.
const std::map<std::string, Names> kMayInclude = {
    {"support",  {}                                                                        },
    {"ir",       {"support"}                                                               },
    {"program",  {"support"}                                                               },
    {"passes",   {"ir", "support"}                                                         },
    {"codelets", {"program", "support"}                                                    },
    {"compiler", {"passes", "ir", "codelets", "program", "support"}                        },
    {"executor", {"codelets", "program", "support"}                                        },
    {"session",  {"compiler", "executor", "passes", "ir", "codelets", "program", "support"}},
    {"python",
     {"session", "compiler", "executor", "passes", "ir", "codelets", "program", "support"} },
    {"tools",
     {"session", "compiler", "executor", "passes", "ir", "codelets", "program", "support"} },
};

// A third party -> the folders (by prefix of the path) that may include it.
const std::vector<std::pair<std::string, std::vector<std::string>>> kThirdParties = {
    {"llvm",            {"executor/jit"}              },
    {"boost/",          {"tools/"}                    },
    {"sodium.h",        {"support/minisign"}          },
    {"seccomp.h",       {"tools/sandbox.cpp"}         },
    {"google/protobuf", {"compiler/onnx/", "program/"}},
    {"onnx.pb.h",       {"compiler/onnx/"}            },
    {"openssl/",        {"support/"}                  },
    {"pybind11/",       {"python/"}                   },
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

std::vector<Include> includes_of(const std::string& folder) {
  const fs::path root = TESSERA_SOURCE_DIR;
  const std::regex pattern(R"re(^\s*#\s*include\s*[<"]([^>"]+)[>"])re");
  std::vector<Include> all;
  for (const fs::path& path : sources_of(root / folder)) {
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) {
      std::smatch match;
      if (std::regex_search(line, match, pattern))
        all.push_back({fs::relative(path, root), match[1]});
    }
  }
  return all;
}

TEST(Layers, a_folder_includes_only_what_its_layer_may_see) {
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const Include& include : includes_of(folder)) {
      const std::string from = include.header.substr(0, include.header.find('/'));
      if (from == folder || !kMayInclude.contains(from)) continue;
      EXPECT_TRUE(allowed.contains(from)) << include.file << " includes " << include.header;
    }
  }
}

TEST(Layers, a_third_party_stays_behind_its_door) {
  for (const auto& [folder, unused] : kMayInclude) {
    for (const Include& include : includes_of(folder)) {
      for (const auto& [party, homes] : kThirdParties) {
        if (!include.header.starts_with(party)) continue;
        const bool at_home = std::any_of(homes.begin(), homes.end(), [&](const std::string& home) {
          return include.file.starts_with(home);
        });
        EXPECT_TRUE(at_home) << include.file << " includes " << include.header;
      }
    }
  }
}

TEST(Layers, the_reader_of_includes_sees_them) { EXPECT_FALSE(includes_of("support").empty()); }

// A name from a file must not reach a terminal as it is: tools/print.cpp alone writes there.
TEST(Printing, the_verbs_print_through_the_filter_alone) {
  const std::regex pattern(
      R"re(fmt::v?print\b|std::cout|std::cerr|std::clog|\bf?printf\(|\bf?puts\(|\bfwrite\(|\bputc)re");
  for (const fs::path& path : sources_of(fs::path(TESSERA_SOURCE_DIR) / "tools")) {
    if (path.filename() == "print.cpp") continue;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);)
      EXPECT_FALSE(std::regex_search(line, pattern)) << path << ": " << line;
  }
}

TEST(Sizes, no_source_is_longer_than_two_ideas_allow) {
  for (const auto& [folder, unused] : kMayInclude) {
    for (const fs::path& path : sources_of(fs::path(TESSERA_SOURCE_DIR) / folder)) {
      std::ifstream file(path);
      int lines = 0;
      for (std::string line; std::getline(file, line);) ++lines;
      EXPECT_LE(lines, 600) << path;
    }
  }
}

}  // namespace
