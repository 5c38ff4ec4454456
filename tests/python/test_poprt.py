# SPDX-License-Identifier: Apache-2.0
"""PopRT's users at home: every spelling of its command line, and each call of its API."""

import os
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import tessera
import tiny
from poprt_shell import LENGTH, PRESET, ROWS, poprt

try:
    import onnx

    onnx.load  # noqa: B018  (a folder of this name is a package to Python, without anything in it)
except (ImportError, AttributeError):
    onnx = None


class Cli(unittest.TestCase):
    def test_every_spelling_is_taken(self):
        """The options of PopRT 1.5's reference."""
        with tempfile.TemporaryDirectory() as folder:
            done = poprt(
                "-i",
                tiny.model(),
                "--framework",
                "onnx",
                "--output_model",
                "o.onnx",
                "--output_dir",
                folder,
                "--batch_size",
                "4",
                "--batch_axis",
                "0",
                "--input_shape",
                "input_ids=4,32",
                "--infer_shape_ahead",
                "--convert_version",
                "11",
                "--precision",
                "fp16",
                "--fp16_skip_op_types",
                "Gelu",
                "--enable_avoid_overflow_patterns",
                "--fp8_params",
                "F143,F143,-1,-1",
                "--fp8_skip_op_names",
                "a",
                "--calibration_with_data",
                "--calibration_loss_type",
                "kld",
                "--data_preprocess",
                "p.pickle",
                "--num_of_layers_keep_fp16",
                "1",
                "--precision_compare",
                "--passes",
                "gelu_pattern,int64_to_int32,merge_moe",
                "--skip_passes",
                "sort_graph",
                "--custom_pass_config",
                "c.py",
                "--disable_fast_norm",
                "--enable_erf_gelu",
                "--enable_insert_remap",
                "--remap_mode",
                "after_matmul",
                "--enable_compress_pattern",
                "--merge_if_with_same_cond",
                "--fold_periodic_initializer",
                "--max_tensor_size",
                "100",
                "--optimize_internal_exchange_code",
                "--serialize_matmul",
                "a=2/none",
                "--serialize_matmul_add",
                "a/b=2",
                "--merge_matmul",
                "a,b",
                "--merge_matmul_add",
                "a,b,c,d",
                "--merge_moe",
                "a",
                "--eightbitsio",
                "--available_memory_proportion",
                "0.4",
                "--num_io_tiles",
                "32",
                "--batches_per_step",
                "8",
                "--ipu_version",
                "ipu21",
                "--compiler_options",
                "partials_type=half",
                "enable_outlining=True",
                "--popart_options",
                "a=b",
                "--custom_library_so_paths",
                "a.so",
                "--custom_shape_inference",
                "a.py",
                "--manual_sharding_config",
                "a.yaml",
                "--only_manual_sharding",
                "--apply_hcsr",
                "a",
                "--export_popef",
                "--run",
                "--show",
                "--show_io_stat",
                "--checkpoints",
                "a,b",
                "--remove_outputs",
                "a",
                "--perf_tuner",
                "--disable_compilation_progress_bar",
                "--logging_level",
                "WARNING",
            )
            self.assertTrue(os.path.exists(f"{folder}/o.onnx"))
            self.assertTrue(os.path.exists(f"{folder}/executable.popef"))
            self.assertRegex(done.stdout, r"Bs: 4, Latency: \S+ ms, Tput: \S+ samples/s")
            self.assertIn("input  input_ids int32 [4, 32]", done.stdout)
            warned = done.stderr.strip().split("\n")
            self.assertEqual(len(warned), len(set(warned)))
            for name in (
                "--serialize_matmul",
                "pass merge_moe",
                "--eightbitsio",
                "--compiler_options enable_outlining",
                "skip_passes sort_graph",
            ):
                self.assertTrue(any(f"warning: {name} has no effect" in w for w in warned), name)

    def refused(self, code, words, *flags):
        done = poprt(*flags, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)

    def test_what_cannot_be_done_is_said(self):
        model = ["--input_model", tiny.model()]
        self.refused(2, "--input_model: must be given")
        self.refused(2, "unrecognized arguments: --precison", *model, "--precison", "fp16")
        self.refused(2, "fp8_params", *model, "--precision", "fp8", "--fp8_params", "F143")
        self.refused(2, "must be ONNX", "tf2onnx", "--saved_model", "x")
        self.refused(
            2,
            "must be one number, because a request lies in one piece: give segment_max_size=64",
            *model,
            "--pack_args",
            "max_valid_num=3",
            "segment_max_size=13+51",
        )
        self.refused(2, "must be whole numbers", *model, "--input_shape", "input_ids=4,x")
        self.refused(2, "input_shape", *model, "--output_dir", tiny.folder())
        self.refused(1, "nothere.onnx", "--input_model", "nothere.onnx")

    def test_lists_and_versions(self):
        self.assertIn("insert_attention_mask\n", poprt("--list_all_passes").stdout)
        self.assertIn(tessera.__version__, poprt("--version").stdout)
        self.assertIn("complete", poprt("--print_completion", "bash").stdout)

    def test_a_shell_knows_poprt(self):
        script = f"""set -e
            eval "$({sys.executable} -m poprt_compat --shell)"
            cd {tiny.folder()}
            poprt --input_model tiny.onnx --input_shape input_ids=4,32 --output_model s.onnx \
              --pack_args max_valid_num=6 segment_max_size=32 --export_popef
            poprt_exec poprt_run_popef --popef executable.popef --iteration 3 --numThreads 2
            poprt_exec poprt_run_popef --popef executable.popef --runner packRunner --iteration 3 \
              --numThreads 2 --maxValidNum 6 --packTimeout 2000 --dynamicInputName input_ids"""
        tiny.model()
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(re.findall("Throughput: ", done.stdout)), 2)


@unittest.skipIf(onnx is None, "needs onnx (pip install onnx)")
class FirstStep(unittest.TestCase):
    """The chapter's first step, on what make-model writes: nodes are removed by their names, and
    positions become an input."""

    NAMES = (
        *("Shape_7", "Gather_9", "Add_11", "Unsqueeze_12", "Slice_14"),
        *("Constant_8", "Constant_10", "Constant_13"),
    )

    def test_the_model_with_positions_answers_as_before(self):
        with tempfile.TemporaryDirectory() as folder:
            tiny.command_line("make-model", "--preset", PRESET, "-o", f"{folder}/model.onnx")
            model = onnx.load(f"{folder}/model.onnx")
            removed = [node for node in model.graph.node if node.name in self.NAMES]
            self.assertEqual(len(removed), len(self.NAMES))
            for node in removed:
                model.graph.node.remove(node)
            positions = model.graph.input.add()
            positions.CopyFrom(model.graph.input[0])
            positions.name = "position_ids"
            for node in model.graph.node:
                if node.name == "Gather_18":
                    node.input[1] = "position_ids"
            onnx.checker.check_model(model)
            onnx.save(model, f"{folder}/positions.onnx")

            shape = [f"{name}={ROWS},{LENGTH}" for name in (*tiny.batch(), "position_ids")]
            told = poprt(
                *["--input_model", "positions.onnx", "--output_model", "out.onnx"],
                *["--input_shape", *shape, "--run"],
                cwd=folder,
            )
            self.assertNotIn("position_ids", told.stderr)
            self.assertRegex(told.stdout, r"modelled IPU: \S+ ms, \S+ samples/s")
            feed = {name: np.ones((ROWS, LENGTH), np.int32) for name in tiny.batch()}
            places = np.tile(np.arange(LENGTH, dtype=np.int32), (ROWS, 1))
            answers = []
            for name, more in (("model", {}), ("positions", {"position_ids": places})):
                shapes = {"input_shape": {"input_ids": (ROWS, LENGTH)}}
                with tessera.ModelRunner(
                    tessera.compile(f"{folder}/{name}.onnx", **shapes)
                ) as runner:
                    answers.append(runner.run({**feed, **more})["start_logits"])
            np.testing.assert_array_equal(*answers)


class Api(unittest.TestCase):
    def test_convert_compile_and_run(self):
        from poprt import Pass, runtime
        from poprt.compiler import Compiler, CompilerOptions
        from poprt.converter import Converter

        with open(tiny.model(), "rb") as file:
            source = file.read()
        model = Converter(
            input_shape={"input_ids": [4, 32]}, convert_version=11, precision="fp16"
        ).convert(source)
        for name in ("int64_to_int32", "gelu_pattern"):
            model = Pass.get_pass(name)(model)
        options = CompilerOptions()
        options.num_ipus = 1
        options.ipu_version = runtime.DeviceManager().ipu_hardware_version()
        options.partials_type = "half"
        executable = Compiler.compile(model, ["start_logits", "end_logits"], options)
        runner = runtime.ModelRunner(executable)
        inputs = {
            i.name: np.ones(i.shape).astype(i.numpy_data_type()) for i in runner.get_model_inputs()
        }
        outputs = {
            o.name: np.zeros(o.shape, o.numpy_data_type()) for o in runner.get_model_outputs()
        }
        runner.execute(inputs, outputs)
        halves = {n: np.zeros(a.shape, np.float16) for n, a in outputs.items()}
        futures = [runner.executeAsync(inputs, halves) for _ in range(4)]
        for future in futures:
            future.wait()
        self.assertTrue(outputs["start_logits"].any())
        np.testing.assert_array_equal(
            halves["end_logits"], outputs["end_logits"].astype(np.float16)
        )

        path = tiny.path("exported.popef")
        Compiler.compile_and_export(model, None, path, options)
        again = {n: np.zeros_like(a) for n, a in outputs.items()}
        runtime.Runner(path).execute(inputs, again)
        np.testing.assert_array_equal(again["end_logits"], outputs["end_logits"])
        self.assertIn("peak_bytes", Compiler.compile_and_get_summary_report(model, None, options))

    def test_get_session(self):
        from poprt.backend import get_session

        with tempfile.TemporaryDirectory() as folder:
            session = get_session(tiny.model(), 2, "poprt", output_dir=folder, export_popef=True)
            with self.assertRaises(tessera.UsageError):  # the sequence is still open
                session.load()
            tessera.convert(tiny.model(), f"{folder}/m.onnx", input_shape=tiny.SHAPE)
            session = get_session(
                f"{folder}/m.onnx",
                1,
                "poprt",
                output_dir=folder,
                export_popef=True,
                options={"partials_type": "float"},
            ).load()
            self.assertTrue(os.path.exists(f"{folder}/executable.popef"))
            inputs, outputs = session.get_io_info()
            self.assertEqual(inputs["input_ids"], ((4, 32), np.dtype("int32")))
            answers = session.run(["end_logits", "start_logits"], tiny.batch())
            self.assertEqual(answers[0].shape, outputs["end_logits"][0])
            with tessera.ModelRunner(tiny.popef()) as runner:
                np.testing.assert_array_equal(answers[1], runner.run(tiny.batch())["start_logits"])
            with self.assertRaisesRegex(tessera.UsageError, "logits: is not an output"):
                session.run(["logits"], tiny.batch())
        with self.assertRaisesRegex(tessera.UsageError, "must be poprt or onnxruntime"):
            get_session(tiny.model(), 1, "tensorrt")

    def test_names_that_poprt_has_not_are_refused(self):
        from poprt import runtime
        from poprt.compiler import CompilerOptions
        from poprt.converter import Converter
        from poprt.passes import Pass

        with self.assertRaisesRegex(AttributeError, "num_ipu: is not an option"):
            CompilerOptions().num_ipu = 1
        with self.assertRaisesRegex(AttributeError, "timeout: is not a setting"):
            runtime.PackRunnerConfig(timeout=3)
        with self.assertRaisesRegex(tessera.UsageError, "precison: is not an option"):
            Converter(precison="fp16")
        with self.assertRaisesRegex(tessera.UsageError, "must be one of the"):
            Pass.get_pass("gelu_patern")

    def test_pack_runner(self):
        from poprt import runtime

        config = runtime.PackRunnerConfig(
            timeout_microseconds=2000, max_valid_num=10, dynamic_input_name="input_ids"
        )
        config.enable_padding_remove_mode("attention_mask", ["input_ids", "token_type_ids"])
        runner = runtime.Runner(tiny.popef("fp32", "A"), config)
        ids = np.arange(1, 33, dtype=np.int32)
        mask = (np.arange(32) < 9).astype(np.int32)
        padded = {"end_logits": np.zeros(32, np.float32)}
        runner.execute({"input_ids": ids, "attention_mask": mask}, padded)
        bare = {"end_logits": np.zeros(32, np.float32)}
        runner.execute({"input_ids": ids[None, :9], "unpack_info": np.zeros(10)}, bare)
        np.testing.assert_array_equal(padded["end_logits"], bare["end_logits"])
        self.assertTrue(padded["end_logits"][:9].all())
        self.assertFalse(padded["end_logits"][9:].any())
        with self.assertRaisesRegex(tessera.Error, "has room for 8 values"):
            runner.execute({"input_ids": ids[:9]}, {"end_logits": np.zeros(8, np.float32)})
        config.enable_input_single_row_mode("attention_mask")
        with self.assertRaisesRegex(tessera.UsageError, "packed end to end"):
            runtime.PackRunner(tiny.popef("fp32", "A"), config)


if __name__ == "__main__":
    unittest.main()
