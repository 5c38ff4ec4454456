// SPDX-License-Identifier: Apache-2.0
// Keyword arguments as options. A name that is not an option is refused, with the nearest that is.
#pragma once

#include <pybind11/pybind11.h>

#include "compiler/options.h"
#include "executor/machine.h"
#include "serving/runner_options.h"
#include "session/session.h"
#include "support/minisign.h"

namespace tessera::python {

namespace py = pybind11;

// tessera.CompileOptions, as the command line's flags. Raises UsageError.
CompileOptions compile_options(const py::dict& options);
// These, and tessera.SessionOptions. `machine`, `events_path` and `tell` are left for the caller.
SessionOptions session_options(const py::dict& options);
// The rows of compiler/options.def: (name, kind, default's text, PopRT's keyword of Converter,
// PopRT's name in CompilerOptions, help).
py::list compile_option_rows();
// tessera.RunnerOptions over `usual`, and the rows of serving/runner_options.def: (name, kind,
// default's text, help).
RunnerOptions runner_options(const py::dict& options, RunnerOptions usual = {});
py::list runner_option_rows();
// `limits`: None, or a dict of numbers or texts by name, as --limit takes them.
Limits limits_of(const py::handle& limits);
// `key`: None, or a public key's path or text.
std::optional<PublicKey> required_key(const py::handle& key);
MachineOptions machine_options(int threads, bool isolated, const Limits& limits);

}  // namespace tessera::python
