// SPDX-License-Identifier: Apache-2.0
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "python/bindings.h"
#include "python/errors.h"

PYBIND11_MODULE(_core, module) {
  using namespace tessera::python;
  translate_exceptions();
  module.attr("__version__") = TESSERA_VERSION;
  bind_bench(module);
  bind_completions(module);
  bind_executable(module);
  bind_model_runner(module);
  bind_pack_runner(module);
  bind_packing(module);
  bind_quantization(module);
  bind_report(module);
  bind_session(module);
  bind_trace(module);
  bind_tuning(module);
  bind_verification(module);
}
