// SPDX-License-Identifier: Apache-2.0
// Commands that people are told to run are commands that the program takes.
#include <gmock/gmock.h>
#include <wordexp.h>

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "compiler/option_rows.h"
#include "compiler/option_values.h"
#include "tests/helpers/option_samples.h"
#include "tests/tools/command_line.h"

namespace tessera::cli {
namespace {

using ::testing::HasSubstr;
using OrderedJson = nlohmann::ordered_json;

// The events of two compiles and of an eviction, as a session has written them.
const std::vector<OrderedJson>& events() {
  static const std::vector<OrderedJson> all = [] {
    const std::string log = path("advised.jsonl");
    tessera({"run", tiny_model(), "--target", "test", "--random", "input_ids=4,16",
             "input_ids=4,12", "input_ids=3,16", "input_ids=4,16", "--memory_entries", "1",
             "--no_cache", "--events", log});
    std::vector<OrderedJson> events;
    std::istringstream lines(read_file(log));
    for (std::string line; std::getline(lines, line);) events.push_back(OrderedJson::parse(line));
    return events;
  }();
  return all;
}

// The same log with other options or another target, and a compile of other options at its end.
std::string log_with(const CompileOptions& options) {
  OptionValues values = option_values(options);
  std::erase_if(values, [](const OptionValue& value) {
    const OptionPlace place = find_option(value.name)->place;
    return place == OptionPlace::Inputs || place == OptionPlace::Target;
  });
  std::string log;
  const auto add = [&](OrderedJson event) {
    event["options"] = option_text(values);
    event["target"] = target_text(target_values(options.target));
    log += event.dump() + "\n";
  };
  for (const OrderedJson& event : events()) add(event);
  OrderedJson last = events().front();
  last["kind"] = "recompile";
  last["cause"] = "options";
  last["causes"] = {"options"};
  last["key"]["sha256"] = "other";
  add(last);
  return log;
}

void collect(const OrderedJson& json, std::set<std::string>& commands) {
  if (json.is_object() && json.contains("command")) {
    std::istringstream parts(json["command"].get<std::string>());
    std::string rest = parts.str();
    for (size_t end = 0; !rest.empty(); rest.erase(0, end)) {
      end = rest.find(" && ");
      commands.insert(rest.substr(0, end));
      end = end == std::string::npos ? rest.size() : end + 4;
    }
  }
  if (json.is_structured())
    for (const OrderedJson& inner : json) collect(inner, commands);
}

std::set<std::string> advised(const CompileOptions& options) {
  const std::string log = path("advised_with.jsonl");
  write_file(log, log_with(options));
  const Result result = tessera({"recompiles", "advise", log, "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::set<std::string> commands;
  std::istringstream lines(result.out);
  for (std::string line; std::getline(lines, line);) collect(OrderedJson::parse(line), commands);
  return commands;
}

// The words that a shell makes of a command, without the first.
std::vector<std::string> words_of(const std::string& command) {
  wordexp_t words;
  EXPECT_EQ(wordexp(command.c_str(), &words, WRDE_NOCMD), 0) << command;
  std::vector<std::string> all(words.we_wordv + 1, words.we_wordv + words.we_wordc);
  wordfree(&words);
  return all;
}

// The model is not there, so a command that is understood fails for that and for nothing else.
void expect_understood(const std::string& command) {
  std::vector<std::string> words = words_of(command);
  const bool has_inputs =
      command.find("--warm_up") != command.npos || command.find("--requests") != command.npos;
  if (words[0] == "run" && !has_inputs) words.insert(words.end(), {"--random", "input_ids=4,16"});
  Surroundings elsewhere;
  elsewhere.in_folder = path("elsewhere");
  const Result result = tessera_in(elsewhere, words);
  EXPECT_NE(result.exit_code, 2) << command << "\n" << result.err;
}

class EachOption : public ::testing::TestWithParam<OptionRow> {};

TEST_P(EachOption, is_in_every_command_that_advice_gives_and_is_understood) {
  const std::set<std::string> commands = advised(sound(GetParam()));
  EXPECT_GE(commands.size(), 5u);
  for (const std::string& command : commands) {
    SCOPED_TRACE(command);
    const bool compiles = command.find(".onnx") != command.npos;
    const bool in_key =
        GetParam().place != OptionPlace::Nowhere && GetParam().place != OptionPlace::Inputs;
    if (compiles && in_key) {
      EXPECT_THAT(command, HasSubstr(" --" + std::string(GetParam().name) + " "));
    }
    expect_understood(command);
  }
}

INSTANTIATE_TEST_SUITE_P(Advice, EachOption, ::testing::ValuesIn(option_rows()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace tessera::cli
