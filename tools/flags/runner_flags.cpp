// SPDX-License-Identifier: Apache-2.0
#include "tools/flags/runner_flags.h"

#include <fmt/format.h>

#include <cmath>

namespace tessera::tools {
namespace {

std::string flag_of(const RunnerOptionRow& row) {
  return std::string(row.name) + (row.kind == RunnerOptionKind::Seconds ? "_microseconds" : "");
}

std::string text_of(const RunnerOptionRow& row, const po::variable_value& value) {
  const auto* number = boost::any_cast<int64_t>(&value.value());
  if (!number) return value.as<std::string>();
  if (row.kind != RunnerOptionKind::Seconds) return fmt::format("{}", *number);
  return fmt::format("{}", static_cast<double>(*number) / 1e6);
}

// The default: a count, or a time in microseconds.
int64_t usual_number(const RunnerOptionRow& row) {
  const double usual = std::stod(row.usual);
  return std::llround(row.kind == RunnerOptionKind::Seconds ? usual * 1e6 : usual);
}

}  // namespace

void add_runner_flags(po::options_description& flags, const IsRunnerFlag& is_flag) {
  for (const RunnerOptionRow& row : runner_option_rows()) {
    if (!is_flag(row)) continue;
    const po::value_semantic* value = nullptr;
    if (row.kind == RunnerOptionKind::Truth)
      value = po::value<std::string>()->default_value(row.usual)->implicit_value("true");
    else if (row.kind == RunnerOptionKind::Word)
      value = po::value<std::string>()->default_value(row.usual);
    else
      value = po::value<int64_t>()->default_value(usual_number(row));
    flags.add_options()(flag_of(row).c_str(), value, row.help.data());
  }
}

Status set_runner_options(const po::variables_map& flags, RunnerOptions& options) {
  for (const RunnerOptionRow& row : runner_option_rows()) {
    const std::string flag = flag_of(row);
    if (!flags.count(flag) || flags[flag].defaulted()) continue;
    if (row.kind == RunnerOptionKind::Seconds)
      if (const auto time = microseconds_flag(flags, flag.c_str()); !time) return time.error();
    const Status good = row.parse(text_of(row, flags[flag]), options);
    if (!good) return Error{"--" + good.error().message, ErrorKind::Usage};
  }
  return {};
}

Expected<int64_t> number_flag(const po::variables_map& flags, const char* name, int64_t least,
                              int64_t most) {
  const auto value = flags[name].as<int64_t>();
  if (value >= least && value <= most) return value;
  return Error{fmt::format("--{}: {}, must be in {}..{}", name, value, least, most),
               ErrorKind::Usage};
}

Expected<Time> microseconds_flag(const po::variables_map& flags, const char* name) {
  return Time(std::chrono::microseconds(TRY(number_flag(flags, name, 0, kMostMicroseconds))));
}

}  // namespace tessera::tools
