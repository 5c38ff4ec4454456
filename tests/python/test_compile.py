# SPDX-License-Identifier: Apache-2.0
import io
import json
import os
import pathlib
import pickle
import unittest

import numpy as np

import tessera
import tiny


class Check(unittest.TestCase):
    def test_says_what_the_command_line_says(self):
        report = tessera.check(tiny.model(), requests={"mine": {"input_ids": np.arange(2, 7)}})
        self.assertTrue(report["all_well"])
        self.assertEqual([form["possible"] for form in report["forms"]], [True] * 3)
        printed = json.loads(tiny.command_line("check", tiny.model(), "--json").stdout)
        self.assertEqual(report["inputs"], printed["inputs"])
        self.assertEqual(report["outputs"][0], printed["outputs"][0])

    def test_wrong_arguments_are_usage_errors(self):
        with self.assertRaisesRegex(tessera.UsageError, "reference: is 'nobody'"):
            tessera.check(tiny.model(), reference="nobody")
        with self.assertRaises(tessera.UsageError):
            tessera.check(tiny.model(), no_such_option=1)
        with self.assertRaisesRegex(tessera.Error, "has no input_ids"):
            tessera.check(tiny.model(), requests={"mine": {}})


class InMemory(unittest.TestCase):
    def test_a_model_is_a_path_bytes_or_an_open_file(self):
        options = {"input_shape": {"input_ids": (4, 16)}, "target": "test"}
        expected = tessera.compile(tiny.model(), **options).to_bytes()
        content = pathlib.Path(tiny.model()).read_bytes()
        for model in (content, bytearray(content), io.BytesIO(content), pathlib.Path(tiny.model())):
            self.assertEqual(tessera.compile(model, **options).to_bytes(), expected)

        class Proto:  # as onnx.ModelProto
            def SerializeToString(self):
                return content

        self.assertEqual(tessera.compile(Proto(), **options).to_bytes(), expected)
        self.assertEqual(len(tessera.model_inputs(content)), 3)
        with self.assertRaisesRegex(tessera.UsageError, "a file that reads text"):
            tessera.compile(io.StringIO("text"), **options)

    def test_a_label_stays_with_the_executable(self):
        options = {"input_shape": {"input_ids": (4, 16)}, "target": "test"}
        made = tessera.compile(tiny.model(), label="for search", **options)
        self.assertEqual(pickle.loads(pickle.dumps(made)).label, "for search")
        self.assertEqual(tessera.compile(tiny.model(), **options).label, "")
        with self.assertRaisesRegex(tessera.UsageError, "label: "):
            tessera.compile(tiny.model(), label="\x1b", **options)

    def test_an_executable_is_data_and_pickles(self):
        made = tessera.load(tiny.popef())
        self.assertEqual(made.to_bytes(), pathlib.Path(tiny.popef()).read_bytes())
        again = pickle.loads(pickle.dumps(made))
        self.assertEqual(again.to_bytes(), made.to_bytes())
        with tessera.ModelRunner(again) as runner, tessera.ModelRunner(made.to_bytes()) as other:
            answers = runner.run(tiny.batch())
            for name, array in other.run(tiny.batch()).items():
                np.testing.assert_array_equal(answers[name], array)
            self.assertRegex(repr(runner), "<tessera.ModelRunner of main>")
        self.assertEqual(repr(runner), "<tessera.ModelRunner, closed>")
        damaged = bytearray(made.to_bytes())
        damaged[len(damaged) // 2] ^= 1
        with self.assertRaises(tessera.BadFileError):
            tessera.load(bytes(damaged))
        with self.assertRaisesRegex(tessera.UsageError, "require_signature: is for files"):
            tessera.load(made.to_bytes(), require_signature="key")

    def test_make_model_writes_what_the_command_line_writes(self):
        tessera.make_model(tiny.path("made.onnx"), "tiny")
        made = pathlib.Path(tiny.path("made.onnx")).read_bytes()
        self.assertEqual(made, pathlib.Path(tiny.model()).read_bytes())
        tessera.make_model(tiny.path("made.onnx"), "tiny", layers=1, gelu="tanh", seed=3)
        self.assertLess(os.path.getsize(tiny.path("made.onnx")), len(made))
        with self.assertRaisesRegex(tessera.UsageError, "'layer' is not a size"):
            tessera.make_model(tiny.path("made.onnx"), layer=1)
        with self.assertRaisesRegex(tessera.UsageError, "gelu: is 'relu'"):
            tessera.make_model(tiny.path("made.onnx"), gelu="relu")

    def test_errors_are_pythons_own_too(self):
        with self.assertRaises(FileNotFoundError) as caught:
            tessera.load("/no/such/file.popef")
        self.assertIsInstance(caught.exception, tessera.Error)
        self.assertRegex(str(caught.exception), "^/no/such/file.popef: cannot open: No such file")
        with self.assertRaises(FileNotFoundError):
            tessera.compile("/no/such/model.onnx")
        with tessera.ModelRunner(tiny.popef()) as runner:
            inputs = tiny.batch()
            for name, wrong, expected in (
                ("input_ids", np.zeros((4, 31), np.int32), ValueError),
                ("input_ids", np.full((4, 32), 100, np.int32), ValueError),
                ("input_ids", np.zeros((4, 32), np.float32), TypeError),
                ("input_ids", np.zeros((4, 32), "M8[s]"), TypeError),
                ("ids", np.zeros((4, 32), np.int32), ValueError),
            ):
                with self.subTest(name=name, wrong=wrong.dtype), self.assertRaises(expected) as err:
                    runner.run({**inputs, name: wrong})
                self.assertIsInstance(err.exception, tessera.Error)


class Compile(unittest.TestCase):
    def test_writes_what_the_command_line_writes(self):
        tessera.compile(
            tiny.model(), tiny.path("a.popef"), input_shape=tiny.SHAPE, precision="fp16"
        )
        tiny.command_line(
            "compile",
            "--input_model",
            tiny.model(),
            "--input_shape",
            "input_ids=4,32",
            "--precision",
            "fp16",
            "-o",
            tiny.path("b.popef"),
        )
        self.assertEqual(
            pathlib.Path(tiny.path("a.popef")).read_bytes(),
            pathlib.Path(tiny.path("b.popef")).read_bytes(),
        )

    def test_host_compiler_and_target_options_are_the_command_lines(self):
        shape = {"input_ids": (4, 16)}
        for options, flags in (
            ({"target": "test,sync_cycles=1000"}, ["--target", "test,sync_cycles=1000"]),
            ({"target": ["c600", "tiles=736"]}, ["--target", "c600,tiles=736"]),
            (
                {"batches_per_step": 8, "num_io_tiles": 32, "prefetch": False},
                "--batches_per_step 8 --num_io_tiles 32 --prefetch false".split(),
            ),
            (
                {"compiler_options": {"enable_fast_reduce": True}, "precision": "fp16"},
                "--compiler_options enable_fast_reduce=true --precision fp16".split(),
            ),
        ):
            made = tessera.compile(tiny.model(), input_shape=shape, **options)
            path = tiny.path("flags.popef")
            tiny.command_line(
                *("compile", "--input_model", tiny.model(), "--input_shape", "input_ids=4,16"),
                *(*flags, "-o", path),
            )
            read = tessera.load(path)
            self.assertEqual((made.options, made.target), (read.options, read.target))
            self.assertEqual(made.cycles, read.cycles)
            plain = tessera.compile(tiny.model(), input_shape=shape)
            self.assertNotEqual((made.options, made.target), (plain.options, plain.target))

    def test_says_what_it_made(self):
        made = tessera.compile(
            tiny.model(),
            input_shape=tiny.SHAPE,
            pack_args={"max_valid_num": 10, "segment_max_size": 32},
        )
        self.assertEqual(
            [t.name for t in made.inputs],
            ["input_ids", "attention_mask", "token_type_ids", "position_ids", "unpack_info"],
        )
        self.assertEqual(made.outputs[0].shape, (10, 32))
        self.assertEqual(made.outputs[0].dtype, np.float32)
        self.assertEqual(made.inputs[0].index_limit, tiny.VOCABULARY)
        self.assertEqual(made.packing.form, "A")
        self.assertEqual(made.packing.unpack_info_input, "unpack_info")
        self.assertTrue(made.memory["fits"])
        self.assertEqual(
            made.cycles["total"],
            sum(made.cycles[part] for part in ("compute", "rearrange", "exchange", "sync")),
        )
        self.assertEqual(
            list(made.phases_ms), ["import", "lengths", "passes", "lower", "verify", "cost"]
        )

    def test_what_was_saved_is_what_is_loaded(self):
        made = tessera.compile(pathlib.Path(tiny.model()), input_shape=tiny.SHAPE)
        made.save(pathlib.Path(tiny.path("saved.popef")))
        read = tessera.load(tiny.path("saved.popef"))
        self.assertEqual(read.inputs, made.inputs)
        self.assertEqual(read.options, made.options)
        self.assertEqual(read.cycles, made.cycles)

    def test_inspect_tells_what_the_command_line_tells(self):
        path = tiny.popef("fp32", "A")
        shown = json.loads(tiny.command_line("inspect", path, "--json").stdout)
        self.assertEqual(tessera.inspect(path), shown)
        self.assertEqual(shown["packing"]["max_valid_num"], 10)
        profile = json.loads(tiny.command_line("inspect", path, "--cycles", "--json").stdout)
        self.assertEqual(tessera.inspect(path, profile=True), profile)
        self.assertGreater(profile["execution"]["totalCycles"], 0)

    def test_an_executable_in_memory_is_inspected_without_blobs(self):
        made = tessera.compile(tiny.model(), input_shape=tiny.SHAPE)
        told = tessera.inspect(made)
        self.assertNotIn("blobs", told)
        self.assertEqual(told["cycles"]["total"], made.cycles["total"])

    def test_convert_says_what_it_did(self):
        done = tessera.convert(
            tiny.model(),
            tiny.path("c.onnx"),
            input_shape=tiny.SHAPE,
            passes=["insert_attention_mask"],
        )
        self.assertIn("fuse_attention", done["passes"])
        self.assertEqual(done["packing"].form, "B")
        self.assertTrue(os.path.getsize(tiny.path("c.onnx")))

    def test_passes_are_those_of_the_command_line(self):
        listed = tiny.command_line("compile", "--list_passes").stdout.split("\n")
        self.assertEqual(
            [p.name for p in tessera.passes()], [line.split()[0] for line in listed if line]
        )


class Errors(unittest.TestCase):
    def refused(self, kind, words, **options):
        with self.assertRaises(kind) as raised:
            tessera.compile(tiny.model(), **options)
        self.assertIn(words, str(raised.exception))
        return raised.exception

    def test_an_unknown_option_is_refused_with_the_nearest(self):
        self.refused(
            tessera.UsageError,
            "'precison' is not an option; did you mean 'precision'?",
            precison="fp16",
        )
        with self.assertRaisesRegex(tessera.UsageError, "is not an option"):
            tessera.convert(tiny.model(), tiny.path("x.onnx"), input_shapes=tiny.SHAPE)
        with self.assertRaisesRegex(tessera.UsageError, "is not an option"):
            tessera.Session(tiny.model(), cache_dri="x")

    def test_values_are_refused_with_the_command_lines_words(self):
        for flag, value in [
            ("precision", "fp4"),
            ("fp8_params", "F143"),
            ("partials_type", "double"),
            ("target", "c601"),
            ("target", "c600,tile=3"),
            ("target", "c600,tiles=0"),
            ("num_io_tiles", 1472),
            ("batches_per_step", 2000000),
            ("fp16_skip_op_types", "Gelyu"),
            ("passes", "insert_atention_mask"),
        ]:
            shown = tiny.command_line(
                "compile",
                "--input_model",
                tiny.model(),
                "--input_shape",
                "input_ids=4,32",
                f"--{flag}",
                str(value),
                check=False,
            )
            self.assertEqual(shown.returncode, tessera.UsageError.exit_code)
            words = shown.stderr.strip().split("tessera: ", 1)[1]
            words = words.removeprefix("--")
            self.refused(tessera.UsageError, words, input_shape=tiny.SHAPE, **{flag: value})

    def test_values_of_another_type_are_refused(self):
        for option, words in [
            ({"precision": 16}, "precision: is a int, must be a str"),
            ({"input_shape": [4, 32]}, "input_shape: is a list, must be a dict"),
            ({"input_shape": {"input_ids": (4, 3.5)}}, "input_shape input_ids: is a float"),
            ({"input_shape": {"input_ids": (4, -1)}}, "'-1', must be a positive whole number"),
            ({"input_shape": {"input_ids": (4, 1 << 70)}}, "must be a positive whole number"),
            (
                {"pack_args": {"max_valid": 3}},
                "pack_args: 'max_valid=3', must be max_valid_num=N or",
            ),
            ({"pack_args": {"max_valid_num": 3}}, "pack_args: segment_max_size is left out"),
            (
                {"pack_args": {"max_valid_num": 3, "segment_max_size": "13+51"}},
                "one piece: give segment_max_size=64, and tell its parts apart by token_type_ids",
            ),
            (
                {"pack_args": {"max_valid_num": 3, "segment_max_size": "64"}},
                "pack_args segment_max_size: is a str, must be a whole number",
            ),
            ({"prefetch": 1}, "prefetch: is a int, must be True or False"),
            ({"batches_per_step": 0}, "batches_per_step: is 0, must be from 1 to 1000000"),
            ({"num_io_tiles": -1}, "num_io_tiles: is -1, must be from 0 to 1471"),
            ({"compiler_options": {"outlining": True}}, "compiler_options: 'outlining', must be"),
            ({"batches_per_step": 1 << 70}, "must be a whole number"),
            ({"compiler_options": {"enable_fast_reduce": "x"}}, "must be True or False"),
            ({"available_memory_proportion": "a"}, "available_memory_proportion: is a str"),
            ({"available_memory_proportion": 2.0}, "available_memory_proportion"),
        ]:
            with self.subTest(option):
                self.refused(tessera.UsageError, words, **option)

    def test_kinds_are_the_exit_codes(self):
        self.refused(tessera.UsageError, "input_shape")  # a dimension that nothing fixes
        with self.assertRaisesRegex(tessera.Error, "nothere.onnx"):
            tessera.compile(tiny.path("nothere.onnx"))
        bad = tiny.path("bad.popef")
        pathlib.Path(bad).write_bytes(b"no executable")
        with self.assertRaises(tessera.BadFileError):
            tessera.load(bad)
        with self.assertRaises(tessera.BadFileError):
            tessera.ModelRunner(bad)
        self.assertEqual(
            [
                k.exit_code
                for k in (
                    tessera.Error,
                    tessera.UsageError,
                    tessera.RefusedError,
                    tessera.OutOfMemoryError,
                    tessera.BadFileError,
                )
            ],
            [1, 2, 3, 4, 5],
        )

    def test_out_of_memory_leaves_its_executable(self):
        tiny.command_line("make-model", "--preset", "mini", "-o", tiny.path("mini.onnx"))
        with self.assertRaises(tessera.OutOfMemoryError) as raised:
            tessera.compile(
                tiny.path("mini.onnx"),
                tiny.path("oom.popef"),
                target="test",
                input_shape={"input_ids": (16, 256)},
            )
        self.assertIsInstance(raised.exception, MemoryError)
        self.assertRegex(str(raised.exception), r"Out of memory on tile \d+: \d+ bytes used")
        self.assertFalse(raised.exception.executable.memory["fits"])
        self.assertFalse(tessera.load(tiny.path("oom.popef")).memory["fits"])
        with self.assertRaises(tessera.OutOfMemoryError):
            tessera.ModelRunner(tiny.path("oom.popef"))

    def test_paths_are_strings_or_path_likes(self):
        for path in (3, None, ["a"]):
            with self.assertRaises(TypeError):
                tessera.compile(path)

    def test_errors_travel_between_processes(self):
        error = pickle.loads(pickle.dumps(tessera.UsageError("a: is b")))
        self.assertEqual(str(error), "a: is b")


if __name__ == "__main__":
    unittest.main()
