# SPDX-License-Identifier: Apache-2.0
"""`tessera serve` held to docs/schemas/openapi.json by schemathesis: calls that the description
allows and calls that it does not, of every page. No answer may be a 5xx but the two that a caller
asks for (a deadline that cannot be met, what is not there), none may differ from the description,
and the server must live."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import Served

DESCRIPTION = pathlib.Path(__file__).parents[2] / "docs" / "schemas" / "openapi.json"
EXAMPLES = int(os.environ.get("TESSERA_EXAMPLES", "15"))
# The description cannot say which inputs a model has, so a call that keeps to it may be a 400.
CHECKS = """
[checks]
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", 501, 504]
positive_data_acceptance.enabled = false
negative_data_rejection.enabled = false
"""
OF_THE_MODEL = """
[parameters]
"path.model" = "bert"
"path.version" = "1"
"""
NAMES = st.sampled_from(["input_ids", "attention_mask", "token_type_ids", "position_ids", "x", ""])
TYPES = st.sampled_from(["INT64", "INT32", "UINT8", "BOOL", "FP32", "FP16", "BYTES", "int64"])
SIZES = st.integers(-1, 20) | st.sampled_from([2**31, 2**62, 2**63 - 1, -(2**63)])
NUMBERS = (
    st.integers(-2, 110)
    | st.sampled_from([2**31, 2**63 - 1, 2**64, -(2**63)])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
PARAMETERS = st.dictionaries(
    st.sampled_from(["priority", "timeout", "explain", "binary_data_output", "binary_data_size"]),
    st.integers(-1, 3000) | st.booleans() | st.text(max_size=3) | st.just(10**7),
    max_size=3,
)


@st.composite
def nearly_right_calls(draw):
    """Calls of the model's own inputs, most of them wrong in one place."""
    rows, length = draw(st.integers(0, 6)), draw(st.integers(0, 18))
    inputs = []
    for name in draw(st.lists(NAMES, min_size=1, max_size=3)):
        shape = [rows, length] if draw(st.integers(0, 3)) else draw(st.lists(SIZES, max_size=4))
        count = rows * length if draw(st.integers(0, 5)) else draw(st.integers(0, 30))
        usual = st.integers(0, 1 if name != "input_ids" else 99)
        data = draw(st.lists(usual, min_size=count, max_size=count))
        if data and not draw(st.integers(0, 3)):
            data[draw(st.integers(0, len(data) - 1))] = draw(NUMBERS)
        kind = "INT64" if draw(st.integers(0, 3)) else draw(TYPES)
        tensor = {"name": name, "shape": shape, "datatype": kind, "data": data}
        if not draw(st.integers(0, 4)):
            tensor["parameters"] = draw(PARAMETERS)
        inputs.append(tensor)
    call = {"inputs": inputs}
    if draw(st.booleans()):
        call["parameters"] = draw(PARAMETERS)
    if not draw(st.integers(0, 3)):
        call["outputs"] = [{"name": draw(st.sampled_from(["start_logits", "end_logits", "y"]))}]
    return call


class OpenApi(Served):
    def asked(self, body, path="/v2/models/bert/infer"):
        request = urllib.request.Request(f"http://{self.http}{path}", data=body)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def usual_answer(self):
        tensor = {"name": "input_ids", "shape": [1, 3], "datatype": "INT64", "data": [5, 6, 7]}
        status, answer = self.asked(json.dumps({"inputs": [tensor]}).encode())
        self.assertEqual(status, 200)
        return json.loads(answer)["outputs"]

    def setUp(self):
        self.before = self.usual_answer()

    def tearDown(self):
        self.assertEqual(self.usual_answer(), self.before)

    def hold_to_description(self, more):
        with tempfile.TemporaryDirectory() as folder:
            config = pathlib.Path(folder) / "schemathesis.toml"
            config.write_text(CHECKS + more)
            words = [pathlib.Path(sys.executable).parent / "schemathesis", "--config-file", config]
            words += ["run", DESCRIPTION, "--url", f"http://{self.http}", "--no-color"]
            words += ["--max-examples", str(EXAMPLES), "--seed", "20"]
            done = subprocess.run(words, check=False, cwd=folder, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-8000:] + done.stderr[-2000:])
        self.assertIn("Tested: 16", done.stdout)

    def test_calls_of_any_model(self):
        self.hold_to_description("")

    def test_calls_of_the_model_that_is_there(self):
        self.hold_to_description(OF_THE_MODEL)

    def test_calls_that_are_nearly_right(self):
        met = set()

        @settings(
            max_examples=20 * EXAMPLES,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(nearly_right_calls())
        def call_is_answered_or_refused_by_type(call):
            met.add(self.answered(call))

        call_is_answered_or_refused_by_type()
        self.assertLessEqual({200, 400}, met)

    def answered(self, call):
        status, answer = self.asked(json.dumps(call).encode())
        if status == 200:
            self.assertIn(b'"model_name":"bert"', answer)
            return status
        told = json.loads(answer)
        self.assertIn(status, (400, 413, 504), (call, told))
        self.assertEqual(set(told), {"error", "type"}, call)
        if status == 504:
            self.assertIn("timeout", call.get("parameters", {}), told)
        return status


if __name__ == "__main__":
    unittest.main()
