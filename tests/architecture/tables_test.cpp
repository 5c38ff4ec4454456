// SPDX-License-Identifier: Apache-2.0
// The tables (ops.def, codelets.def, verbs.def) are the only lists of what they hold: no switch
// over ops that a new row could slip through, no codelet known by its name, no verb without a row.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/architecture/sources.h"

namespace {

using tessera::test::built_folders;
using tessera::test::for_each_source;

std::string without_comments(const std::string& source) {
  static const std::regex pattern(R"re(//[^\n]*|/\*[^]*?\*/)re");
  return std::regex_replace(source, pattern, " ");
}

// The bodies of all switches, inner ones included.
std::vector<std::string> switches_of(const std::string& text) {
  static const std::regex pattern(R"re(\bswitch\s*\()re");
  std::vector<std::string> bodies;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at) {
    const size_t open = text.find('{', static_cast<size_t>(at->position()));
    size_t close = open;
    for (int depth = 0; close < text.size(); ++close) {
      depth += text[close] == '{' ? 1 : text[close] == '}' ? -1 : 0;
      if (depth == 0) break;
    }
    if (open != std::string::npos) bodies.push_back(text.substr(open, close - open));
  }
  return bodies;
}

bool is_switch_over_ops(const std::string& body) {
  return body.find("case Op::") != std::string::npos;
}

bool has_default(const std::string& body) {
  static const std::regex pattern(R"re(\bdefault\s*:)re");
  return std::regex_search(body, pattern);
}

TEST(Tables, no_switch_over_ops_has_a_default) {
  int seen = 0;
  for_each_source(built_folders(), [&](const std::string& file, const std::string& source) {
    for (const std::string& body : switches_of(without_comments(source))) {
      if (!is_switch_over_ops(body)) continue;
      ++seen;
      EXPECT_FALSE(has_default(body)) << file << ": " << body.substr(0, 200);
    }
  });
  EXPECT_GE(seen, 5);
}

TEST(Tables, a_default_is_found_where_there_is_one) {
  // In two literals, as the test above reads this file too.
  const auto bodies = switches_of(
      "switch (node.op) { case "
      "Op::Add: { f(); } default: g(); }");
  ASSERT_EQ(bodies.size(), 1u);
  EXPECT_TRUE(is_switch_over_ops(bodies[0]) && has_default(bodies[0]));
}

TEST(Tables, what_costs_and_runs_programs_knows_no_codelet_by_name) {
  const std::vector<std::string> names = {
#define CODELET(name, ...) "\"" #name "\"",
#include "codelets/codelets.def"
#undef CODELET
  };
  for_each_source({"cost", "executor", "serving", "session"},
                  [&](const std::string& file, const std::string& source) {
                    const std::string text = without_comments(source);
                    for (const std::string& name : names)
                      EXPECT_EQ(text.find(name), std::string::npos) << file << " names " << name;
                  });
}

TEST(Tables, every_verb_has_a_row) {
  const std::set<std::string> rows = {
#define VERB(name, ...) #name,
#include "tools/verbs/verbs.def"
#undef VERB
  };
  static const std::regex definition(R"re(\nVerb (\w+)_verb\(\) \{)re");
  std::set<std::string> defined;
  for_each_source({"tools"}, [&](const std::string&, const std::string& source) {
    for (std::sregex_iterator at(source.begin(), source.end(), definition), end; at != end; ++at)
      defined.insert((*at)[1]);
  });
  EXPECT_EQ(defined, rows);
}

}  // namespace
