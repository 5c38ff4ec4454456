# SPDX-License-Identifier: Apache-2.0
"""Calls that measure, compare and advise give the command line's documents (docs/schemas)."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import schemas
import tessera
import tiny
from tessera import documents


class Documents(unittest.TestCase):
    def validate(self, document):
        schemas.validate(self, document)

    def test_the_types_are_those_of_the_schemas(self):
        script = os.path.join(tiny.SOURCE, "scripts", "write_documents")
        done = subprocess.run((sys.executable, script, "--check"), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_tune_measures_this_host(self):
        result = tessera.tune(seconds=0.1, keep=False)
        self.validate(result)
        self.assertLessEqual(result["chosen"]["seconds"], result["usual"]["seconds"])
        with self.assertRaisesRegex(tessera.UsageError, "seconds: -1, must be above 0"):
            tessera.tune(seconds=-1)

    def test_bench_measures_one_executable(self):
        result = tessera.bench(tiny.popef(), iterations=3)
        self.validate(result)
        (run,) = result["runs"]
        self.assertEqual((run["executable"], run["batches"]), (tiny.popef(), 3))
        self.assertLessEqual(run["batch_seconds"]["p50"], run["batch_seconds"]["p99"])
        again = tessera.bench(tessera.load(tiny.popef()), iterations=1, duration=0.05)
        self.assertGreaterEqual(again["runs"][0]["host_seconds"], 0.05)

    def test_bench_measures_the_chapters_runs(self):
        result = tessera.bench(tiny.popef(), tiny.popef(packing="B"), avg_seq_len=8, vocab=90)
        self.validate(result)
        labels = [run["label"] for run in result["runs"]]
        self.assertEqual(labels, ["Original", "Pack Offline", "Pack Online"])
        self.assertLess(max(error["mae"] for error in result["errors"]), 1e-4)

    def test_bench_takes_requests_as_they_come(self):
        packed = tiny.popef(packing="B")
        load = {"rate": 2000, "requests": 40, "virtual": True}
        first = tessera.bench(packed, avg_seq_len=8, online=load)
        self.validate(first)
        self.assertEqual((first["clock"], first["answered"]), ("virtual", 40))
        self.assertEqual(first, tessera.bench(packed, avg_seq_len=8, online=load))
        alone = {"rate": 2000, "virtual": True, "batch_seconds": 0.001, "requests": 9}
        sizes = {"rows": 2, "row_length": 16}
        self.assertEqual(tessera.bench(online={**alone, **sizes})["batch_time"], "given")

        with tempfile.TemporaryDirectory() as folder:
            trace = os.path.join(folder, "trace.csv")
            with open(trace, "w", encoding="utf-8") as file:
                file.write("seconds,length\n0,3\n0.001,9\n")
            record = os.path.join(folder, "run.jsonl")
            runner = {"policy": "best_fit"}
            real = tessera.bench(
                packed, online={"trace": trace, "record": record, "runner": runner}
            )
            self.validate(real)
            self.assertEqual((real["clock"], real["answered"]), ("host", 2))
            self.assertIn("best_fit", tessera.report(record=record).page)
        clients = tessera.bench(packed, avg_seq_len=8, online={"clients": 2, "requests": 6})
        self.assertEqual(clients["answered"], 6)

    def test_an_online_bench_refuses_by_name(self):
        packed = tiny.popef(packing="B")
        for online, words, message in (
            ({}, {}, "rate, clients, trace: 0 of them are given, must be one of them"),
            ({"rate": 5, "clients": 1}, {}, "2 of them are given"),
            ({"rates": 5}, {}, "online: 'rates' is not one of its names: rate, clients"),
            ({"rate": -5}, {}, "rate: -5, must be in"),
            ({"rate": 5, "deadline": -1}, {}, "deadline: -1.0, must be seconds"),
            ({"rate": 5, "runner": {"warm_up": True}}, {}, "warm_up: has no effect here"),
            ({"rate": 5, "runner": {"windows": 1}}, {}, "did you mean 'window'"),
            ({"rate": 5}, {"iterations": 9}, "online: comes with iterations"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, re.escape(message)):
                tessera.bench(packed, online=online, **words)
        with self.assertRaisesRegex(tessera.UsageError, "no executable is given"):
            tessera.bench(online={"rate": 5})

    def test_bench_refuses_by_the_arguments_name(self):
        for words, message in (
            ({"iterations": 0}, "iterations: 0, must be at least 1"),
            ({"warm_up": -1}, "warm_up: -1, must be in 0..604800 seconds"),
            ({"policy": "best"}, "policy: 'best', must be"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, message):
                tessera.bench(tiny.popef(), **words)
        with self.assertRaisesRegex(tessera.UsageError, "no executable"):
            tessera.bench()

    def test_pack_compare_tells_what_the_command_line_tells(self):
        lengths = [3, 9, 16, 5, 5, 31, 2]
        result = tessera.pack.compare(lengths, tessera.load(tiny.popef(packing="B")))
        self.validate(result)
        names = [policy["policy"] for policy in result["policies"]]
        self.assertEqual(names, ["padded", *tessera.policies])
        np.save(tiny.path("lengths.npy"), np.array(lengths))
        told = json.loads(
            tiny.command_line(
                "pack",
                tiny.path("lengths.npy"),
                "--executable",
                tiny.popef(packing="B"),
                "--compare",
                "--json",
            ).stdout
        )
        for ours, theirs in zip(result["policies"], told["policies"]):
            self.assertEqual(ours["batches"], theirs["batches"])
            self.assertEqual(ours["token_fill"], theirs["token_fill"])

    def test_pack_tune_chooses_a_shape(self):
        lengths = [3, 9, 16, 5, 5, 14, 2] * 20
        result = tessera.pack.tune(
            lengths, tiny.model(), try_rows=[2, 4], try_row_length=[16], target="test"
        )
        self.validate(result)
        best = result["best"]
        assert best is not None
        self.assertIn(best, result["candidates"])
        self.assertIn("tessera compile", best["command"])
        held = tessera.pack.tune(lengths, executables=[tiny.popef(), tiny.popef(packing="B")])
        self.assertEqual(
            [shape["executable"] for shape in held["candidates"]],
            [tiny.popef(), tiny.popef(packing="B")],
        )
        # Where nothing answers in time there is no best.
        self.assertIsNone(tessera.pack.tune(lengths, executables=[tiny.popef()], p99=1e-9)["best"])

    def test_pack_tune_refuses_by_the_arguments_name(self):
        model = tiny.model()
        for call, message in (
            (lambda: tessera.pack.tune([3]), "either a model or executables"),
            (lambda: tessera.pack.tune([], model), "lengths: must be at least one"),
            (lambda: tessera.pack.tune([3], model, rate=-1), "rate: -1, must be in"),
            (lambda: tessera.pack.tune([3], model, try_rows=[0]), "try_rows: 0, must be in"),
            (lambda: tessera.pack.tune([30], model, try_row_length=[8]), "try_row_length: 8, must"),
            (lambda: tessera.pack.tune([3], model, precison="fp16"), "did you mean 'precision'"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, message):
                call()

    def test_advice_and_differences_of_events(self):
        log = tiny.path("advise.jsonl")
        options = {"events": log, "on_recompile": "allow", "target": "test"}
        with tessera.Session(tiny.model(), **options) as session:
            for length in (16, 12, 16):
                ones = np.ones((2, length), np.int32)
                names = ("input_ids", "attention_mask", "token_type_ids")
                session.run(dict.fromkeys(names, ones))
            events = session.recompiles()
        self.validate(events[0])
        (advice,) = tessera.recompiles.advise(log)
        self.validate(advice)
        self.assertEqual(advice["compiles"], 2)
        self.assertEqual(tessera.recompiles.advise(tessera.recompiles(log)), [advice])
        first, second = tessera.recompiles(log)[:2]
        moved = tessera.recompiles.diff(first, second)
        self.validate(moved)
        self.assertEqual(moved["causes"], ["input_shape"])
        self.assertEqual(tessera.recompiles.diff(first, first)["causes"], [])

    def test_inspections_and_profiles_are_as_their_schemas_say(self):
        for packing in (None, "A", "B"):
            inspection = tessera.inspect(tiny.popef(packing=packing))
            self.validate(inspection)
            cycles = inspection["cycles"]
            parts = ("compute", "rearrange", "exchange", "sync")
            self.assertEqual(sum(cycles[part] for part in parts), cycles["total"])
        self.validate(tessera.inspect(tiny.popef(), profile=True))
        self.validate(tessera.check(tiny.model(), random_requests=1, target="test"))

    def test_messages_name_arguments(self):
        with self.assertRaises(tessera.UsageError) as caught:
            tessera.compile(tiny.model())
        message = str(caught.exception)
        self.assertIn("give input_shape={'", message)
        self.assertNotIn("--", message)

    def test_typed_names_are_those_of_the_documents(self):
        inspection = tessera.inspect(tiny.popef())
        known = documents.Inspection.__annotations__
        self.assertLessEqual(set(inspection), set(known))


class Sources(unittest.TestCase):
    """A model or an executable is a path, bytes, or an open file, wherever one is taken."""

    def setUp(self):
        with open(tiny.popef(), "rb") as file:
            self.executable = file.read()
        with open(tiny.model(), "rb") as file:
            self.model = file.read()

    def test_executables(self):
        expected = tessera.inspect(tiny.popef())["sha256"]
        for source in (self.executable, io.BytesIO(self.executable)):
            self.assertEqual(tessera.inspect(source)["sha256"], expected)
            if isinstance(source, io.BytesIO):
                source.seek(0)
            with tessera.ModelRunner(source) as runner:
                self.assertEqual(set(runner.run(tiny.batch())), {"start_logits", "end_logits"})
        with tessera.PackRunner(io.BytesIO(self.executable)) as packer:
            self.assertEqual(packer.run({"input_ids": [1, 2]})["start_logits"].shape, (2,))
        self.assertEqual(tessera.bench(self.executable, iterations=1)["runs"][0]["batches"], 1)

    def test_models(self):
        ones = np.ones((2, 8), np.int32)
        batch = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), ones)
        model = io.BytesIO(self.model)
        with tessera.Session(model, target="test", on_recompile="allow") as session:
            answers = session.run(batch)
            self.assertEqual(answers["start_logits"].shape, (2, 8))
            # A second shape is compiled of the same bytes.
            session.run(dict.fromkeys(batch, ones[:, :4]))
        with tessera.Session(tiny.model(), target="test", on_recompile="allow") as session:
            expected = session.run(batch)
        np.testing.assert_array_equal(answers["start_logits"], expected["start_logits"])
        with self.assertRaises(tessera.Error):
            session.run(batch)  # closed

    def test_executables_pickle(self):
        again = pickle.loads(pickle.dumps(tessera.load(tiny.popef())))
        with tessera.ModelRunner(again) as runner, tessera.ModelRunner(tiny.popef()) as other:
            ours, theirs = runner.run(tiny.batch()), other.run(tiny.batch())
        np.testing.assert_array_equal(ours["start_logits"], theirs["start_logits"])


if __name__ == "__main__":
    unittest.main()
