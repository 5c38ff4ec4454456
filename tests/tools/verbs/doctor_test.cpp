// SPDX-License-Identifier: Apache-2.0
// tessera doctor and tessera version: what they find, and what they say is to be done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

struct Findings {
  int exit_code = -1;
  std::string err;
  std::map<std::string, Json> of;
};

Findings found(const std::vector<std::pair<std::string, std::string>>& environment,
               const std::vector<std::string>& unset = {}) {
  Surroundings with;
  with.environment = environment;
  with.unset = unset;
  const Result result = tessera_in(with, {"doctor", "--json"});
  Findings findings{.exit_code = result.exit_code, .err = result.err, .of = {}};
  const Json document = Json::parse(result.out);
  for (const Json& one : document["findings"]) findings.of[one["of"]] = one;
  return findings;
}

TEST(Doctor, an_installation_that_works_has_no_problem) {
  const Findings all = found({
      {"TESSERA_OBJECT_CACHE", path("objects")    },
      {"TESSERA_CACHE_DIR",    path("executables")}
  });
  EXPECT_EQ(all.exit_code, 0) << all.err;
  for (const char* of : {"processor", "compiled codelets", "executables", "temporary files"}) {
    ASSERT_TRUE(all.of.contains(of)) << of;
    EXPECT_EQ(all.of.at(of)["state"], "ok") << of;
    EXPECT_EQ(all.of.at(of)["to_do"], "") << of;
  }
  EXPECT_THAT(all.of.at("processor")["is"].get<std::string>(), HasSubstr("LLVM 19"));
  EXPECT_THAT(all.of.at("compiled codelets")["is"].get<std::string>(), HasSubstr("0 entries"));
  for (const auto& [of, one] : all.of) {
    EXPECT_NE(one["state"], "problem") << of;
    EXPECT_EQ(one["state"] == "ok", one["to_do"].get<std::string>().empty())
        << of << ": a note says what to do";
  }
  const Result text = tessera({"doctor"});
  EXPECT_THAT(text.out, HasSubstr("processor"));
  EXPECT_THAT(text.out, HasSubstr("sandbox"));
}

TEST(Doctor, a_cache_that_others_can_write_to_is_a_problem_and_exit_code_1) {
  ASSERT_EQ(::mkdir(path("open").c_str(), 0700), 0);
  ASSERT_EQ(::chmod(path("open").c_str(), 0777), 0);
  for (const auto& [variable, of] : {
           std::pair{"TESSERA_OBJECT_CACHE", "compiled codelets"},
           std::pair{"TESSERA_CACHE_DIR",    "executables"      }
  }) {
    const Findings all = found({
        {variable, path("open")}
    });
    EXPECT_EQ(all.exit_code, 1);
    EXPECT_THAT(all.err, HasSubstr("doctor: 1 of these must be mended"));
    EXPECT_EQ(all.of.at(of)["state"], "problem");
    EXPECT_THAT(all.of.at(of)["is"].get<std::string>(), HasSubstr(path("open")));
    EXPECT_THAT(all.of.at(of)["to_do"].get<std::string>(), HasSubstr(variable));
  }
}

TEST(Doctor, a_folder_that_is_missing_is_told) {
  const Findings all = found(
      {
          {"TMPDIR",               path("nowhere")},
          {"TESSERA_OBJECT_CACHE", ""             }
  },
      {"TESSERA_CACHE_DIR"});
  EXPECT_EQ(all.of.at("temporary files")["state"], "problem");
  EXPECT_EQ(all.exit_code, 1);
  EXPECT_EQ(all.of.at("compiled codelets")["state"], "note") << "none was asked for";
  EXPECT_EQ(all.of.at("executables")["state"], "note");
}

TEST(Doctor, optional_packages_are_notes_with_their_command) {
  write_file(path("bare_python"), "#!/bin/sh\nprintf '3.9.1\\n\\n1.24.2\\n\\n\\n\\n'\n");
  ASSERT_EQ(::chmod(path("bare_python").c_str(), 0700), 0);
  const Findings all = found({
      {"TESSERA_PYTHON", path("bare_python")}
  });
  EXPECT_EQ(all.of.at("Python")["is"], path("bare_python") + ", version 3.9.1");
  EXPECT_EQ(all.of.at("Python: numpy")["is"], "1.24.2");
  EXPECT_EQ(all.of.at("Python: tessera")["state"], "note");
  EXPECT_EQ(all.of.at("Python: onnxruntime")["state"], "note");
  EXPECT_EQ(all.of.at("Python: onnxruntime")["to_do"],
            path("bare_python") + " -m pip install onnxruntime");
}

TEST(Doctor, a_python_that_is_not_there_is_one_note) {
  const Findings all = found({
      {"TESSERA_PYTHON", path("no_python")}
  });
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(all.of.at("Python")["state"], "note");
  EXPECT_THAT(all.of.at("Python")["is"].get<std::string>(), HasSubstr("cannot be started"));
  EXPECT_FALSE(all.of.contains("Python: numpy"));
}

TEST(Version, says_what_was_built_and_for_which_host) {
  const Json json = Json::parse(tessera({"version", "--json"}).out);
  const std::string line = tessera({"version"}).out;
  EXPECT_THAT(line, HasSubstr("tessera " + json["version"].get<std::string>()));
  EXPECT_THAT(json["compiler_id"].get<std::string>(),
              ::testing::StartsWith(json["version"].get<std::string>()));
  EXPECT_THAT(json["build"]["llvm"].get<std::string>(), ::testing::StartsWith("19."));
  EXPECT_NE(json["host"]["cpu"], "");
  EXPECT_GT(json["host"]["features"].size(), 0u);
  EXPECT_GT(json["host"]["threads"], 0);
}

}  // namespace
}  // namespace tessera::cli
