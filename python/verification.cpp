// SPDX-License-Identifier: Apache-2.0
// tessera.verify: what was checked of a file, as tessera.Verification.
#include "executor/verification.h"

#include "python/bindings.h"
#include "python/errors.h"
#include "python/executable.h"
#include "python/gil.h"
#include "python/options.h"

namespace tessera::python {
namespace {

py::object verification_of(const Verification& is, const std::string& path) {
  using py::arg;
  py::list blobs;
  for (const BlobInfo& blob : is.blobs)
    blobs.append(py::make_tuple(blob.type, blob.name, blob.bytes, blob.sha256));
  py::dict limits;
  for (const LimitUse& use : is.limits)
    limits[py::str(std::string(use.name))] = py::make_tuple(use.used, use.limit);
  const py::object signer =
      is.signed_by ? py::object(py::str(to_string(*is.signed_by))) : py::none();
  return py::module_::import("tessera.types")
      .attr("Verification")(arg("path") = path, arg("bytes") = is.bytes, arg("sha256") = is.sha256,
                            arg("blobs") = py::tuple(blobs), arg("target") = is.target,
                            arg("variables") = is.variables, arg("constants") = is.constants,
                            arg("supersteps") = is.supersteps, arg("vertices") = is.vertices,
                            arg("operands") = is.operands, arg("transfers") = is.transfers,
                            arg("model_name") = is.model_name, arg("inputs") = is.inputs,
                            arg("outputs") = is.outputs, arg("packing") = to_string(is.packing),
                            arg("fits") = is.fits, arg("peak_bytes") = is.peak_bytes,
                            arg("bytes_per_tile") = is.bytes_per_tile, arg("signed_by") = signer,
                            arg("trusted_comment") = is.trusted_comment, arg("limits") = limits);
}

py::object verify(const py::object& path, const py::object& limits, const py::object& key) {
  const std::string from = path_of(path, "path");
  const Limits bounds = limits_of(limits);
  const std::optional<PublicKey> signed_by = required_key(key);
  const Verification is = value_of(without_gil([&]() -> Expected<Verification> {
    return verify_popef(TRY(open_popef(from, signed_by, bounds)), bounds);
  }));
  return verification_of(is, from);
}

}  // namespace

void bind_verification(py::module_& module) { module.def("verify", verify); }

}  // namespace tessera::python
