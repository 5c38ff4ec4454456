// SPDX-License-Identifier: Apache-2.0
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "python/bindings.h"
#include "python/errors.h"

namespace {

namespace py = pybind11;

// pybind11 reads NumPy's dtypes where they lie in memory, and NumPy 2 moved their fields.
void check_numpy() {
#if PYBIND11_VERSION_HEX < 0x020C0000
  const std::string version = py::str(py::module_::import("numpy").attr("__version__"));
  if (version.rfind("1.", 0) == 0) return;
  throw py::import_error("tessera: NumPy is " + version +
                         ", must be 1.x: this build's pybind11 is older than 2.12 (pip install "
                         "takes a newer one)");
#endif
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  using namespace tessera::python;
  check_numpy();
  translate_exceptions();
  module.attr("__version__") = TESSERA_VERSION;
  bind_completions(module);
  bind_executable(module);
  bind_model_runner(module);
  bind_pack_runner(module);
  bind_packing(module);
  bind_session(module);
  bind_verification(module);
}
