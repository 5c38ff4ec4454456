# SPDX-License-Identifier: Apache-2.0
"""Arrays that may go in and out, where they are copied and where not, and the errors of others."""

import os
import unittest

import numpy as np

import tessera
import tiny


class Tensor:
    """An array of another library: all that is known of it is that it speaks DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, stream=None):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.runner = tessera.ModelRunner(tiny.popef(), threads=1)
        cls.half = tessera.ModelRunner(tiny.popef("fp16"), threads=1)
        cls.expected = cls.runner.run(tiny.batch())

    @classmethod
    def tearDownClass(cls):
        cls.runner.close()
        cls.half.close()

    def refused(self, words, inputs=None, outputs=None, kind=tessera.Error):
        inputs = {**tiny.batch(), **(inputs or {})}
        for call in (self.runner.run, self.runner.submit):
            with self.assertRaises(kind) as raised:
                call(inputs, outputs)
            self.assertIn(words, str(raised.exception))

    def same(self, answers):
        for name, array in self.expected.items():
            np.testing.assert_array_equal(answers[name], array)


class NumPy(Case):
    """One build for NumPy 1 and 2, whichever is here; Python.numpy tries the other one."""

    def test_arrays_of_this_version_go_in_and_out(self):
        self.assertIn(np.__version__.split(".")[0], ("1", "2"))
        answers = self.runner.run(tiny.batch())
        for name, array in answers.items():
            self.assertIs(type(array), np.ndarray)
            self.assertEqual((array.dtype, array.shape), (np.float32, (4, 32)), name)
            self.assertTrue(array.flags.c_contiguous and array.flags.writeable)
        self.assertIs(self.runner.inputs[0].dtype, np.dtype("int32"))

    def test_nothing_knows_how_numpy_lays_out_its_objects(self):
        folder = os.path.join(tiny.SOURCE, "python")
        for name in os.listdir(folder):
            if name.endswith((".cpp", ".h")):
                with open(os.path.join(folder, name)) as file:
                    self.assertNotIn("pybind11/numpy.h", file.read(), name)

    def test_dtypes_without_buffers_are_refused_by_name(self):
        dates = np.zeros((4, 32), "datetime64[s]")
        self.refused("input_ids: dtype is datetime64[s], must be int32", {"input_ids": dates})


class Inputs(Case):
    def test_int64_is_taken_where_the_model_says_int64(self):
        self.same(self.runner.run(tiny.batch(dtype=np.int64)))

    def test_non_contiguous_inputs_are_copied(self):
        wide = {name: np.repeat(array, 2, axis=1) for name, array in tiny.batch().items()}
        self.same(self.runner.run({name: array[:, ::2] for name, array in wide.items()}))
        self.same(self.runner.run({n: np.asfortranarray(a) for n, a in tiny.batch().items()}))

    def test_read_only_inputs_are_fine(self):
        inputs = tiny.batch()
        for array in inputs.values():
            array.flags.writeable = False
        self.same(self.runner.run(inputs))

    def test_small_integers_and_bools_are_fine(self):
        expected = self.runner.run(tiny.batch())
        for dtype in ("uint8", "int8", "uint16", "int16", "bool"):
            with self.subTest(dtype):
                inputs = tiny.batch()
                inputs["attention_mask"] = inputs["attention_mask"].astype(dtype)
                answers = self.runner.run(inputs)
                for name, array in expected.items():
                    np.testing.assert_array_equal(answers[name], array)

    def test_lists_are_fine(self):
        self.same(self.runner.run({n: a.tolist() for n, a in tiny.batch().items()}))

    def test_dlpack_tensors_are_read_where_they_lie(self):
        self.same(self.runner.run({n: Tensor(a) for n, a in tiny.batch().items()}))
        turned = {n: Tensor(np.asfortranarray(a)) for n, a in tiny.batch().items()}
        self.same(self.runner.run(turned))

    def test_names(self):
        self.refused(
            "ids: is not an input of this model, must be one of input_ids,",
            {"ids": np.zeros(3, np.int32)},
        )
        with self.assertRaisesRegex(tessera.Error, "token_type_ids: is missing, must be given"):
            self.runner.run({n: a for n, a in tiny.batch().items() if n != "token_type_ids"})
        self.refused("inputs: a name is a int, must be a str", {3: 4}, kind=tessera.UsageError)
        with self.assertRaisesRegex(tessera.UsageError, "inputs: is a list, must be a dict"):
            self.runner.run([1, 2])

    def test_dtypes(self):
        for dtype in ("uint32", "float64", "complex64", "U3", ">i4", object):
            with self.subTest(dtype):
                array = np.zeros((tiny.ROWS, tiny.LENGTH), dtype)
                self.refused("input_ids: dtype is", {"input_ids": array})
        self.refused(
            "attention_mask: dtype is f32, must be i32, int64 or bool",
            {"attention_mask": np.zeros((4, 32), np.float32)},
        )
        self.refused(
            "input_ids: dtype is uint16, must be int32",
            {"input_ids": Tensor(np.zeros((4, 32), np.uint16))},
        )

    def test_shapes(self):
        self.refused(
            "input_ids: shape is [4,31], must be [4,32]", {"input_ids": np.zeros((4, 31), np.int32)}
        )
        self.refused("input_ids: shape is [], must be [4,32]", {"input_ids": 7})
        self.refused(
            "input_ids: shape is [0,32], must be [4,32]", {"input_ids": np.zeros((0, 32), np.int32)}
        )

    def test_values(self):
        inputs = tiny.batch()
        inputs["input_ids"][3, 17] = 100
        self.refused("input_ids: value 100 at [3,17], must be in 0..99", inputs)
        wide = tiny.batch(dtype=np.int64)
        wide["attention_mask"][0, 1] = 1 << 40
        self.refused("attention_mask: value 1099511627776 at [0,1], must be in", wide)


class Outputs(Case):
    def test_are_filled_in_place(self):
        outputs = tiny.empty_outputs()
        answers = self.runner.run(tiny.batch(), outputs)
        self.assertIs(answers["start_logits"], outputs["start_logits"])
        self.same(outputs)

    def test_may_be_some_of_them(self):
        one = {"end_logits": tiny.empty_outputs()["end_logits"]}
        self.assertEqual(list(self.runner.run(tiny.batch(), one)), ["end_logits"])
        np.testing.assert_array_equal(one["end_logits"], self.expected["end_logits"])
        self.assertEqual(self.runner.run(tiny.batch(), {}), {})

    def test_dlpack_tensors_are_filled_in_place(self):
        outputs = tiny.empty_outputs()
        self.runner.run(tiny.batch(), {n: Tensor(a) for n, a in outputs.items()})
        self.same(outputs)

    def test_are_arrays_that_speak_dlpack(self):
        array = self.runner.run(tiny.batch())["start_logits"]
        np.testing.assert_array_equal(np.from_dlpack(array), self.expected["start_logits"])

    def test_half_precision_still_gives_what_the_model_declares(self):
        halves = self.half.run(tiny.batch())
        self.assertEqual(halves["start_logits"].dtype, np.float32)
        self.assertFalse(np.array_equal(halves["start_logits"], self.expected["start_logits"]))
        np.testing.assert_allclose(halves["start_logits"], self.expected["start_logits"], atol=0.05)

    def test_what_cannot_be_filled_is_refused(self):
        good = np.zeros((4, 32), np.float32)
        frozen = good.copy()
        frozen.flags.writeable = False
        for words, array in [
            ("start_logits: output is read-only, must be writable", frozen),
            (
                "start_logits: output is not contiguous, must be C-contiguous",
                np.zeros((4, 64), np.float32)[:, ::2],
            ),
            (
                "start_logits: output is not contiguous, must be C-contiguous",
                np.zeros((32, 4), np.float32).T,
            ),
            ("start_logits: shape is [4,31], must be [4,32]", np.zeros((4, 31), np.float32)),
            ("start_logits: shape is [128], must be [4,32]", np.zeros(128, np.float32)),
            ("start_logits: dtype is f16, must be f32", np.zeros((4, 32), np.float16)),
            ("start_logits: dtype is float64, must be", np.zeros((4, 32))),
            ("start_logits: output is int64, must be int32", np.zeros((4, 32), np.int64)),
            ("start_logits: output is a list, must be an array", good.tolist()),
            (
                "start_logits: output is not contiguous, must be C-contiguous",
                Tensor(np.zeros((32, 4), np.float32).T),
            ),
        ]:
            with self.subTest(words):
                self.refused(words, outputs={"start_logits": array})
        self.refused(
            "logits: is not an output of this model, must be one of start_logits, end_logits",
            outputs={"logits": good},
        )
        self.refused("outputs: is a int, must be a dict", outputs=3, kind=tessera.UsageError)


if __name__ == "__main__":
    unittest.main()
