// SPDX-License-Identifier: Apache-2.0
// Keyword arguments as options. A name that is no option is refused, with the nearest that is.
#pragma once

#include <pybind11/pybind11.h>

#include "compiler/options.h"
#include "executor/machine.h"

namespace tessera::python {

namespace py = pybind11;

// input_shape, precision, pack_args, passes, skip_passes, partials_type,
// available_memory_proportion, target, dump_passes: as the command line's flags. Raises UsageError.
CompileOptions compile_options(const py::dict& options);
MachineOptions machine_options(int threads, bool isolated);

}  // namespace tessera::python
