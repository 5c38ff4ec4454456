// SPDX-License-Identifier: Apache-2.0
// No two types of one name in a namespace: where two definitions with different layouts are linked
// into one binary, the linker takes either one's functions for both, without a word.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/architecture/sources.h"

namespace {

using Places = std::map<std::string, std::set<std::string>>;  // qualified name -> files

std::string without_comments_and_strings(const std::string& source) {
  static const std::regex pattern(
      R"re(//[^\n]*|/\*[^]*?\*/|R"(\w*)\([^]*?\)\1"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])')re");
  return std::regex_replace(source, pattern, " ");
}

// Types that stand in a namespace with a name, by that name. A type in a type or a function, or
// behind the :: of another, has a scope of its own, and one in an unnamed namespace is its file's.
void collect(const std::string& file, const std::string& source, Places& places) {
  static const std::regex pattern(
      R"re(\bnamespace\s*([\w:]*)\s*\{|\b(?:struct|class|union|enum(?:\s+class)?)\s+([\w:]+)\s*(?:final\s*)?(?::[^;{()]*)?\{|\{|\})re");
  std::vector<std::string> scopes;  // namespaces by name, "{" for all others
  const std::string text = without_comments_and_strings(source);
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
    const std::string word = at->str();
    if (word == "}") {
      if (!scopes.empty()) scopes.pop_back();
      continue;
    }
    if (word.starts_with("namespace")) {
      scopes.push_back((*at)[1].length() == 0 ? "{" : (*at)[1].str());
      continue;
    }
    const std::string name = (*at)[2];
    const bool in_namespaces = std::find(scopes.begin(), scopes.end(), "{") == scopes.end();
    if (!name.empty() && in_namespaces && name.find("::") == std::string::npos) {
      std::string qualified;
      for (const std::string& scope : scopes) qualified += scope + "::";
      places[qualified + name].insert(file);
    }
    scopes.push_back("{");
  }
}

TEST(Names, a_type_is_defined_once_in_a_namespace) {
  Places places;
  tessera::test::for_each_source(
      tessera::test::built_folders(),
      [&](const std::string& file, const std::string& source) { collect(file, source, places); });
  EXPECT_GT(places.size(), 300u);
  for (const auto& [name, files] : places) {
    std::string list;
    for (const std::string& file : files) list += " " + file;
    EXPECT_EQ(files.size(), 1u) << name << " is defined in" << list;
  }
}

TEST(Names, two_definitions_are_seen) {
  Places places;
  collect("a.h", "namespace n { struct X { int i; }; namespace { struct Y {}; } }", places);
  collect("b.h", "// struct X {}\nnamespace n {\nclass X final : public Z { struct W {}; };\n}",
          places);
  collect("c.h", "namespace n { struct X::Impl { int x; }; void f() { struct X {}; } }", places);
  EXPECT_EQ(places.size(), 1u);
  EXPECT_EQ(places["n::X"], (std::set<std::string>{"a.h", "b.h"}));
}

}  // namespace
