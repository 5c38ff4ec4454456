# SPDX-License-Identifier: Apache-2.0
"""Paths and names that are not plain words."""

import os
import pathlib
import re
import shutil
import unittest

import tessera
import tiny
from poprt_compat.cli import shapes_of


class Paths(unittest.TestCase):
    def test_with_nul_are_refused_and_name_the_argument(self):
        with self.assertRaisesRegex(ValueError, r"^model: is 'a\\x00b', must be a path"):
            tessera.compile("a\0b", input_shape=tiny.SHAPE)
        with self.assertRaisesRegex(tessera.UsageError, "^path: is "):
            tessera.load("a\0b")
        with self.assertRaisesRegex(tessera.UsageError, "^cache_dir: is "):
            tessera.Session(tiny.model(), cache_dir="a\0b")
        with self.assertRaisesRegex(tessera.UsageError, "^events: is "):
            tessera.Session(tiny.model(), events="a\0b")

    def test_with_any_other_bytes_work(self):
        folder = os.fsencode(tiny.path("odd")) + b"\xff\x1b \n"
        os.makedirs(folder, exist_ok=True)
        model = os.fsdecode(os.path.join(folder, b"m.onnx"))
        shutil.copy(tiny.model(), model)
        for path in (model, pathlib.Path(model)):
            self.assertEqual(tessera.model_inputs(path)[0].name, "input_ids")
        popef = os.fsdecode(os.path.join(folder, b"m.popef"))
        tessera.compile(model, popef, input_shape=tiny.SHAPE)
        self.assertEqual(tessera.load(popef).inputs[0].name, "input_ids")
        converted = tessera.convert(model, popef + ".onnx", input_shape=tiny.SHAPE)
        self.assertEqual(converted["path"], popef + ".onnx")

    def test_messages_hold_nothing_that_a_terminal_obeys(self):
        with self.assertRaises(tessera.Error) as caught:
            tessera.load("none\x1b[2J\u202e")
        self.assertIn("none\\x1b[2J\\u202e", str(caught.exception))


class Words(unittest.TestCase):
    def test_hold_names_as_the_command_lines_do(self):
        self.assertEqual(
            shapes_of(["input_ids=2,3", "a/b=c=4", "a%3Bb=1,2", "%=7"]),
            {"input_ids": (2, 3), "a/b=c": (4,), "a;b": (1, 2), "": (7,)},
        )

    def test_are_not_needed_where_names_are_keys(self):
        for name in ("none=1", "none[0]", "a%2Fb", "x;y", " "):
            with self.assertRaisesRegex(tessera.UsageError, "has no input '" + re.escape(name)):
                tessera.compile(tiny.model(), input_shape={name: (4, 4)})


class FileNames(unittest.TestCase):
    def test_are_the_command_lines(self):
        self.assertEqual(tessera.file_names(["y/0"]), {"y/0": "y_0.npy"})
        self.assertEqual(tessera.file_names(["y/0", "y_0"]), {"y/0": "y%2F0.npy", "y_0": "y_0.npy"})
        self.assertEqual(tessera.file_names(["y/0"], ["y_0"]), {"y/0": "y%2F0.npy"})
        longs = tessera.file_names(["y" * 252, "y" * 253])
        self.assertEqual({len(file) for file in longs.values()}, {255})
        self.assertEqual(len(set(longs.values())), 2)


if __name__ == "__main__":
    unittest.main()
