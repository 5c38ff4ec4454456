// SPDX-License-Identifier: Apache-2.0
// A PackRunner's options by name, for all who read them from words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "serving/pack_runner.h"
#include "serving/request.h"
#include "support/expected.h"

namespace tessera {

struct RunnerOptions {
  PackRunnerConfig runner;
  RequestOptions requests;
};

enum class RunnerOptionKind : uint8_t { Truth, Whole, Seconds, Word };
std::string_view to_string(RunnerOptionKind kind);  // "truth", …

struct RunnerOptionRow {
  std::string_view name;
  RunnerOptionKind kind;
  std::string_view help;
  std::string usual;  // the default as text
  // Usage errors are "NAME: 'TEXT', must be …".
  Status (*parse)(const std::string& text, RunnerOptions& options);
};
// The rows of runner_options.def, in its order.
const std::vector<RunnerOptionRow>& runner_option_rows();
const RunnerOptionRow* find_runner_option(std::string_view name);  // null if there is none

}  // namespace tessera
