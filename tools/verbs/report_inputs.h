// SPDX-License-Identifier: Apache-2.0
// The inputs of a report, told apart by what is in the files.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/options.h"
#include "report/report.h"
#include "session/events.h"
#include "support/expected.h"
#include "support/limits.h"
#include "support/minisign.h"

namespace tessera::tools {

enum class InputKind : uint8_t { Executable, Model, Events, Record, Plan, Bench, Policies, Shapes };
const char* to_words(InputKind kind);  // "an executable", …

// Errors: it cannot be read; it is JSON and nothing that Tessera writes.
Expected<InputKind> kind_of(const std::string& path);

// Those of a log, oldest first. A warning about the log, as of a torn line, goes to stderr. Errors:
// as those of read_events.
Expected<std::vector<RecompileEvent>> events_of(const std::string& path, const Limits& limits);

// Reads it, or, where it is a model, compiles it. Errors: as those of the readers; a third
// executable or events file, a second one of any other kind.
Status add_input(const std::string& path, const CompileOptions& options,
                 const std::optional<PublicKey>& key, ReportInputs& inputs);

}  // namespace tessera::tools
