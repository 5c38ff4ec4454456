// SPDX-License-Identifier: Apache-2.0
#include "serving/runner_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "support/numbers.h"

namespace tessera {
namespace {

using Kind = RunnerOptionKind;

constexpr double kMostSeconds = 1e9;

constexpr Kind kind_of(const bool&) { return Kind::Truth; }
constexpr Kind kind_of(const int64_t&) { return Kind::Whole; }
constexpr Kind kind_of(const Time&) { return Kind::Seconds; }
constexpr Kind kind_of(const PackPolicy&) { return Kind::Word; }
constexpr Kind kind_of(const BatchTime&) { return Kind::Word; }

std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(int64_t value) { return fmt::format("{}", value); }
std::string text_of(Time value) {
  return fmt::format("{}", std::chrono::duration<double>(value).count());
}
std::string text_of(PackPolicy value) { return std::string(to_string(value)); }
std::string text_of(BatchTime value) {
  return value == BatchTime::Measured ? "measured" : "modelled";
}

Error must_be(const char* name, const std::string& text, const char* must) {
  return {fmt::format("{}: '{}', must be {}", name, text, must), ErrorKind::Usage};
}

Status parse(const char* name, const std::string& text, bool& value) {
  if (text != "true" && text != "false") return must_be(name, text, "true or false");
  value = text == "true";
  return {};
}

Status parse(const char* name, const std::string& text, int64_t& value) {
  if (parse_number(text, value) && value >= 0) return {};
  return must_be(name, text, "a whole number of at least 0");
}

Status parse(const char* name, const std::string& text, Time& value) {
  double seconds = 0;
  if (!parse_number(text, seconds) || !(seconds >= 0 && seconds <= kMostSeconds))
    return must_be(name, text, "seconds, 0 or more");
  value = Time(std::llround(seconds * 1e9));
  return {};
}

Status parse(const char* name, const std::string& text, PackPolicy& value) {
  const Expected<PackPolicy> policy = parse_policy(text);
  if (!policy) return Error{fmt::format("{}: {}", name, policy.error().message), ErrorKind::Usage};
  value = *policy;
  return {};
}

Status parse(const char* name, const std::string& text, BatchTime& value) {
  for (const BatchTime one : {BatchTime::Measured, BatchTime::Modelled}) {
    if (text != text_of(one)) continue;
    value = one;
    return {};
  }
  return must_be(name, text, "measured or modelled");
}

}  // namespace

std::string_view to_string(RunnerOptionKind kind) {
  switch (kind) {
    case Kind::Truth: return "truth";
    case Kind::Whole: return "whole";
    case Kind::Seconds: return "seconds";
    case Kind::Word: return "word";
  }
  return "";
}

const std::vector<RunnerOptionRow>& runner_option_rows() {
  static const std::vector<RunnerOptionRow> rows = {
#define RUNNER_OPTION(name, member, help)                                         \
  {#name, kind_of(RunnerOptions().member), help, text_of(RunnerOptions().member), \
   [](const std::string& text, RunnerOptions& options) {                          \
     return parse(#name, text, options.member);                                   \
   }},
#include "serving/runner_options.def"
#undef RUNNER_OPTION
  };
  return rows;
}

const RunnerOptionRow* find_runner_option(std::string_view name) {
  const auto row = std::ranges::find(runner_option_rows(), name, &RunnerOptionRow::name);
  return row == runner_option_rows().end() ? nullptr : &*row;
}

}  // namespace tessera
