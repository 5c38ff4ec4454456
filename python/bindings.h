// SPDX-License-Identifier: Apache-2.0
// The parts of the module tessera._core. They are thin: what a call means, its types and its words
// are in the package (python/tessera), what it does is in the libraries.
#pragma once

#include <pybind11/pybind11.h>

namespace tessera::python {

void bind_bench(pybind11::module_& module);
void bind_completions(pybind11::module_& module);
void bind_executable(pybind11::module_& module);
void bind_model_runner(pybind11::module_& module);
void bind_pack_runner(pybind11::module_& module);
void bind_packing(pybind11::module_& module);
void bind_quantization(pybind11::module_& module);
void bind_report(pybind11::module_& module);
void bind_session(pybind11::module_& module);
void bind_trace(pybind11::module_& module);
void bind_tuning(pybind11::module_& module);
void bind_verification(pybind11::module_& module);

}  // namespace tessera::python
