# SPDX-License-Identifier: Apache-2.0
"""packaging/kserve beside the schemas that Kubernetes publishes, of several versions, and the
fields that KServe's own models have: as far as it can be checked without a cluster."""

import re
import unittest

import kserve.models
import kubernetes.client.models
import kubernetes_validate
import manifests

VERSIONS = ("1.30", "1.33")


def class_of(name):
    for module in (kserve.models, kubernetes.client.models):
        if hasattr(module, name):
            return getattr(module, name)
    return None


def unknown_fields(value, kind, where):
    """Fields of `value` that the model class of this name does not have."""
    if kind.startswith("list["):
        for i, one in enumerate(value):
            yield from unknown_fields(one, kind[5:-1], f"{where}[{i}]")
        return
    model = class_of(kind)
    if model is None or not hasattr(model, "openapi_types"):
        return
    if not isinstance(value, dict):
        yield f"{where}: is {value!r}, must be a {kind}"
        return
    names = {field: name for name, field in model.attribute_map.items()}
    for field, inner in value.items():
        if field not in names:
            yield f"{where}.{field}: is not a field of {kind}"
        else:
            kind_of_field = model.openapi_types[names[field]]
            yield from unknown_fields(inner, kind_of_field, f"{where}.{field}")


class Schemas(unittest.TestCase):
    def test_what_kubernetes_defines_is_valid_of_several_versions(self):
        checked = 0
        for name, documents in manifests.all_documents().items():
            for document in documents:
                if document["apiVersion"].startswith("serving.kserve.io/"):
                    continue
                for version in VERSIONS:
                    with self.subTest(file=name, kind=document["kind"], version=version):
                        kubernetes_validate.validate(document, version, strict=True)
                        checked += 1
        self.assertEqual(checked, 3 * len(VERSIONS))

    def test_a_slip_would_be_found(self):
        deployment = manifests.documents("deployment.yaml")[0]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        container["readynessProbe"] = container.pop("readinessProbe")
        with self.assertRaises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(deployment, VERSIONS[0], strict=True)
        (runtime,) = manifests.documents("serving_runtime.yaml")
        runtime["spec"]["containers"][0]["argz"] = []
        found = list(unknown_fields(runtime, "V1alpha1ServingRuntime", "runtime"))
        self.assertEqual(found, ["runtime.spec.containers[0].argz: is not a field of V1Container"])

    def test_kserve_knows_every_field(self):
        for name, kind in (
            ("serving_runtime.yaml", "V1alpha1ServingRuntime"),
            ("inference_service.yaml", "V1beta1InferenceService"),
        ):
            (document,) = manifests.documents(name)
            self.assertEqual(list(unknown_fields(document, kind, name)), [])
            self.assertEqual(document["kind"], re.sub(r"^V\d+[a-z]+\d+", "", kind))


if __name__ == "__main__":
    unittest.main()
