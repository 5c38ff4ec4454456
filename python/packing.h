// SPDX-License-Identifier: Apache-2.0
// How an executable takes requests, from what Python's callers give.
#pragma once

#include <pybind11/pybind11.h>

#include "program/packing_contract.h"

namespace tessera::python {

// A tessera.Packing, or an ExecutableHandle. Raises UsageError for numbers that cannot be.
PackingContract contract_of(const pybind11::object& packing);

}  // namespace tessera::python
