# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime as a back end of poprt_compat, `--check`, `--config_yaml` and `onnx.ModelProto`s:
without these packages, and with them where they are installed (Python.pip installs them)."""

import importlib.util
import io
import os
import sys
import unittest
from contextlib import redirect_stderr, redirect_stdout
from unittest import mock

import numpy as np

import poprt_compat.install  # noqa: F401
import tessera
import tiny

from poprt import cli  # isort: skip
from poprt.backend import get_session  # isort: skip


def without(package):
    return mock.patch.dict(sys.modules, {package: None})  # importing it is an ImportError


def needs(package):
    spec = importlib.util.find_spec(package)
    # A folder of that name with data alone is found too, but has no origin.
    return unittest.skipUnless(spec and spec.origin, f"{package} is not installed")


def poprt(*words):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = cli.main(words)
    return code, out.getvalue(), err.getvalue()


def convert(*words):
    return poprt("-i", tiny.model(), "--output_dir", tiny.folder(), *words)


class Missing(unittest.TestCase):
    def test_onnxruntime(self):
        with without("onnxruntime"):
            with self.assertRaisesRegex(tessera.Error, "backend onnxruntime: is not installed"):
                get_session(tiny.model(), 1, "onnxruntime")
            code, _, err = convert("--input_shape", "input_ids=4,32", "--check")
        self.assertEqual(code, 1)
        self.assertIn("backend onnxruntime: is not installed", err)

    def test_yaml(self):
        with without("yaml"):
            code, _, err = poprt("--config_yaml", tiny.path("options.yaml"))
        self.assertEqual(code, 1)
        self.assertIn("--config_yaml: needs PyYAML", err)


@needs("onnxruntime")
class OnnxRuntime(unittest.TestCase):
    def test_gives_what_tessera_gives(self):
        with open(tiny.model(), "rb") as file:
            data = file.read()
        with tessera.ModelRunner(tiny.popef()) as runner:
            expected = runner.run(tiny.batch())
        for model in (tiny.model(), data):
            session = get_session(model, 1, "onnxruntime").load()
            inputs, outputs = session.get_io_info()
            self.assertEqual(set(inputs), set(tiny.batch()))
            self.assertEqual(set(outputs), set(expected))
            # int32, and positions that this model computes itself
            feed = {**tiny.batch(), "position_ids": np.zeros((4, 32), np.int32)}
            answers = session.run(["end_logits", "start_logits"], feed)
            np.testing.assert_allclose(answers[0], expected["end_logits"], atol=2e-6)
            np.testing.assert_allclose(answers[1], expected["start_logits"], atol=2e-6)

    def test_makes_no_executable(self):
        err = io.StringIO()
        with redirect_stderr(err):
            get_session(tiny.model(), 1, "onnxruntime", export_popef=True)
        self.assertIn("export_popef with onnxruntime has no effect", err.getvalue())

    def test_check(self):
        code, out, err = convert("--input_shape", "input_ids=4,32", "--check")
        self.assertEqual(code, 0, err)
        for name in ("start_logits", "end_logits"):
            found = [line for line in out.split("\n") if line.startswith(name)]
            self.assertEqual(len(found), 1, out)
            self.assertLess(float(found[0].rsplit(" ", 1)[1]), 1e-5)

    def test_check_of_a_packed_model_is_refused(self):
        code, _, err = convert(
            *("--input_shape", "input_ids=4,32", "--check"),
            *("--pack_args", "max_valid_num=6", "segment_max_size=32"),
        )
        self.assertEqual(code, 2)
        self.assertIn("must be a model without packing", err)


@needs("onnxruntime")
class Converted(unittest.TestCase):
    """A file of `tessera convert` holds functions for the operations that ONNX does not have."""

    def convert(self, *words):
        """The converted model, and the executable of it."""
        path, popef = tiny.path("converted.onnx"), tiny.path("converted.popef")
        words = ("--input_model", tiny.model(), "--input_shape", "input_ids=4,32", *words)
        tiny.command_line("convert", *words, "--output_model", path)
        tiny.command_line("compile", "--input_model", path, "-o", popef)
        return path, popef

    def compare(self, path, popef, inputs, atol):
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
        given = {one.name: inputs[one.name].astype(types[one.type]) for one in session.get_inputs()}
        names = [one.name for one in session.get_outputs()]
        theirs = dict(zip(names, session.run(names, given), strict=True))
        with tessera.ModelRunner(popef) as runner:
            ours = runner.run(given)
        self.assertEqual(set(theirs), set(ours))
        for name, array in ours.items():
            self.assertGreater(np.ptp(array.astype(np.float64)), 0.01)
            np.testing.assert_allclose(theirs[name], array, atol=atol, rtol=0)

    def test_a_padded_model_gives_what_tessera_gives(self):
        batch = tiny.batch(seed=1)
        batch["attention_mask"][:, 20:] = 0
        batch["attention_mask"][1] = 0
        for precision, atol in (("fp32", 2e-6), ("fp16", 4e-3)):
            self.compare(*self.convert("--precision", precision), batch, atol)

    def test_packed_models_give_what_tessera_gives(self):
        random = np.random.default_rng(2)
        lengths = (32, 5, 20, 7, 1, 31)
        requests = [{"input_ids": random.integers(1, tiny.VOCABULARY, n)} for n in lengths]
        form_a = ("--pack_args", "max_valid_num=7", "segment_max_size=32")
        for form in (form_a, ("--passes", "insert_attention_mask")):
            for precision, atol in (("fp32", 2e-6), ("fp16", 4e-3)):
                path, popef = self.convert(*form, "--precision", precision)
                (batch,) = tessera.pack(lengths, tessera.load(popef))
                self.compare(path, popef, batch.inputs(requests), atol)

    @needs("onnx")
    def test_no_bias_is_a_node_of_its_own(self):
        import onnx

        model = onnx.load(self.convert()[0])
        onnx.checker.check_model(model, full_check=True)
        self.assertNotIn("Expand", {node.op_type for node in model.graph.node})
        self.assertIn("Attention", {function.name for function in model.functions})


@needs("yaml")
class ConfigYaml(unittest.TestCase):
    def write(self, text):
        with open(tiny.path("options.yaml"), "w") as file:
            file.write(text)
        return tiny.path("options.yaml")

    def test_gives_what_the_same_options_give(self):
        path = self.write(f"""
            input_model: {tiny.model()}
            output_dir: {tiny.folder()}
            output_model: from_yaml.onnx
            input_shape: {{input_ids: [4, 32]}}
            precision: fp16
            pack_args: {{max_valid_num: 6, segment_max_size: 32}}
            export_popef: true
            run: false
            """)
        code, _, err = poprt("--config_yaml", path)
        self.assertEqual((code, err), (0, ""))
        given = tessera.load(tiny.path("executable.popef"))
        os.remove(tiny.path("executable.popef"))
        convert(
            *("--input_shape", "input_ids=4,32", "--precision", "fp16", "--export_popef"),
            *("--pack_args", "max_valid_num=6", "segment_max_size=32"),
        )
        same = tessera.load(tiny.path("executable.popef"))
        self.assertEqual((given.options, given.cycles), (same.options, same.cycles))

    def test_words_of_the_command_line_come_after(self):
        path = self.write(f"""
            input_model: {tiny.model()}
            output_dir: {tiny.folder()}
            input_shape: [\"input_ids=4,32\"]
            precision: fp16
            """)
        code, _, err = poprt("--config_yaml", path, "--precision", "fp32", "--export_popef")
        self.assertEqual((code, err), (0, ""))
        self.assertIn("precision fp32", tessera.load(tiny.path("executable.popef")).options)

    def test_what_it_cannot_say_is_refused(self):
        for text, words in (
            ("model_fusion: [a.onnx]", "model_fusion: an executable holds one model"),
            ("- a", "must be options by name"),
        ):
            code, _, err = poprt("--config_yaml", self.write(text))
            self.assertEqual(code, 2)
            self.assertIn(words, err)
        for text in ("a: [", "\x00"):
            code, _, err = poprt("--config_yaml", self.write(text))
            self.assertEqual(code, 2)
            self.assertIn("options.yaml: is not YAML", err)
        code, _, err = poprt("--config_yaml", tiny.path("nothere.yaml"))
        self.assertEqual(code, 1)
        self.assertIn("nothere.yaml", err)


@needs("onnx")
class ModelProto(unittest.TestCase):
    def test_goes_in_and_comes_out(self):
        import onnx
        from poprt import Pass, runtime
        from poprt.compiler import Compiler
        from poprt.converter import Converter

        proto = onnx.load(tiny.model())
        converted = Converter(input_shape={"input_ids": [4, 32]}).convert(proto)
        self.assertIsInstance(converted, onnx.ModelProto)
        onnx.shape_inference.infer_shapes(converted)
        converted = Pass.get_pass("int64_to_int32")(converted)
        self.assertIsInstance(converted, onnx.ModelProto)
        runner = runtime.ModelRunner(Compiler.compile(converted))
        outputs = tiny.empty_outputs()
        runner.execute(tiny.batch(), outputs)
        session = get_session(converted, 1, "poprt").load()
        with tessera.ModelRunner(tiny.popef()) as plain:
            expected = plain.run(tiny.batch())
        for name, array in expected.items():
            np.testing.assert_array_equal(outputs[name], array)
            np.testing.assert_array_equal(session.run([name], tiny.batch())[0], array)


if __name__ == "__main__":
    unittest.main()
