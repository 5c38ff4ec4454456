# SPDX-License-Identifier: Apache-2.0
"""`tessera.sweep` and the command: one table of what each shape and machine does."""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import xml.etree.ElementTree as ElementTree

import numpy as np

import schemas
import tessera
import tiny
from tessera import lengths, sweep_points, sweeps

LENGTHS = [3, 5, 16, 9, 2, 7, 12, 16, 1, 4] * 20
LISTS = {"rows": (2, 4), "row_length": (16,), "targets": ("test",)}


def command(*words, check=True):
    """The program, which becomes this Python."""
    environment = {**os.environ, "TESSERA_PYTHON": sys.executable}
    return subprocess.run(
        ("tessera", *words), check=check, capture_output=True, text=True, env=environment
    )


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)


class Sweeping(Case):
    def test_a_row_says_what_the_compiler_and_the_packer_say_of_its_point(self):
        found = tessera.sweep(tiny.model(), LENGTHS, forms=["B"], **LISTS)
        self.assertEqual([row["rows"] for row in found.rows], [2, 4])
        taken = sweeps._taken(LENGTHS, 8000, 1)
        self.assertEqual(sorted(taken), sorted(LENGTHS))
        for row in found.rows:
            executable = tessera.compile(
                tiny.model(),
                input_shape={"input_ids": (row["rows"], 16)},
                passes="insert_attention_mask",
                target="test",
            )
            batches = len(tessera.pack(taken, executable, policy="window"))
            seconds = executable.cycles["seconds_per_batch"]
            self.assertEqual(row["cycles"], executable.cycles["total"])
            self.assertEqual(row["peak_bytes"], executable.memory["peak_bytes"])
            self.assertAlmostEqual(row["batch_ms"], seconds * 1000)
            self.assertAlmostEqual(row["requests_per_second"], len(taken) / batches / seconds)
            self.assertAlmostEqual(row["token_fill"], sum(taken) / (batches * row["rows"] * 16))

    def test_padded_rows_hold_one_request_each(self):
        found = tessera.sweep(tiny.model(), LENGTHS, forms=["none"], **LISTS)
        for row in found.rows:
            self.assertEqual(row["requests_per_batch"], row["rows"])
            self.assertAlmostEqual(row["token_fill"], sum(LENGTHS) / len(LENGTHS) / 16)

    def test_what_was_compiled_is_not_compiled_again(self):
        table = self.path("table.csv")
        first = tessera.sweep(tiny.model(), LENGTHS, table, forms=["B"], **LISTS)
        self.assertEqual(first.compiled, 2)
        # As if the sweep had been ended while it wrote the second point, and asked for more.
        points = sorted(os.listdir(f"{table}.points"))
        with open(os.path.join(f"{table}.points", points[0]), "r+") as file:
            file.truncate(20)
        wider = {**LISTS, "rows": (2, 4, 8)}
        second = tessera.sweep(tiny.model(), LENGTHS, table, forms=["B"], **wider)
        self.assertEqual(second.compiled, 2)
        again = tessera.sweep(tiny.model(), LENGTHS, table, forms=["B"], **wider)
        self.assertEqual(again.compiled, 0)
        self.assertEqual(
            [{**row, "compile_seconds": 0} for row in second.rows],
            [{**row, "compile_seconds": 0} for row in again.rows],
        )

    def test_another_model_or_compiler_is_compiled_again(self):
        point = {"precision": "fp32"}
        keys = {sweep_points.key_of(model, compiler, point) for model in "ab" for compiler in "cd"}
        self.assertEqual(len(keys), 4)

    def test_a_compile_that_is_killed_is_a_row_and_is_tried_again(self):
        table = self.path("table.csv")
        lists = {**LISTS, "rows": (2,), "forms": ["B"]}
        kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
        with unittest.mock.patch.object(sweep_points, "_START", kill):
            found = tessera.sweep(tiny.model(), LENGTHS, table, **lists)
        self.assertEqual(found.rows[0]["failure"], "the compile was ended by signal 9")
        self.assertIsNone(found.best)
        self.assertEqual(tessera.sweep(tiny.model(), LENGTHS, table, **lists).compiled, 1)

    def test_what_does_not_fit_or_compile_says_why(self):
        lists = {**LISTS, "rows": (4,), "forms": ["none"]}
        small = {**lists, "targets": ("test,bytes_per_tile=60000", "test")}
        found = tessera.sweep(tiny.model(), LENGTHS, **small)
        self.assertIn("does not fit", found.rows[0]["failure"])
        self.assertEqual(found.best, found.rows[1])
        wrong = tessera.sweep(tiny.model(), LENGTHS, options={"partials_type": ["int8"]}, **lists)
        self.assertIn("partials_type", wrong.rows[0]["failure"])

    def test_the_front_is_what_no_other_beats(self):
        def row(rate, ms, tiles, failure=""):
            return {
                "requests_per_second": rate,
                "batch_ms": ms,
                "tiles": tiles,
                "failure": failure,
                "machines": 1,
            }

        rows = [row(10, 1, 4), row(20, 2, 4), row(15, 2, 4), row(20, 2, 8), row(9, 9, 1)]
        sweeps._mark_front([*rows, row(None, None, None, "does not fit")])
        self.assertEqual([r["front"] for r in rows], [True, True, False, False, True])
        self.assertIs(sweeps.best_of(rows, 0, 0), rows[1])
        self.assertIs(sweeps.best_of(rows, 0, 0.0015), rows[0])
        self.assertIsNone(sweeps.best_of(rows, 0, 0.0001))

    def test_a_rate_asks_for_the_fewest_machines(self):
        found = tessera.sweep(tiny.model(), LENGTHS, rate=1e6, **LISTS)
        runs = [row for row in found.rows if not row["failure"]]
        self.assertEqual(found.best["machines"], min(row["machines"] for row in runs))
        held = found.best["machines"] * found.best["requests_per_second"] * sweeps.LOAD
        self.assertGreaterEqual(held, 1e6)

    def test_slips_are_named(self):
        for lists, words in (
            ({"forms": ["C"]}, "'C' is not a form"),
            ({"rows": (0,)}, "rows: is 0"),
            ({"row_length": (8,)}, "row_length: is 8, must be 16 or more"),
            ({"options": {"precison": ["fp16"]}}, "'precison' is not an option"),
            ({"options": {"precision": ["fp16"]}}, "'precision' is a list of its own"),
            ({"rows": ()}, "the product of the lists is empty"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, words):
                tessera.sweep(tiny.model(), LENGTHS, **{**LISTS, **lists})
        with self.assertRaisesRegex(tessera.UsageError, r"must end in \.csv or \.parquet"):
            tessera.sweep(tiny.model(), LENGTHS, "table.txt", **LISTS)


class Command(Case):
    def words(self, *more):
        with open(self.path("lengths.jsonl"), "w") as file:
            file.writelines(f'{{"length": {length}}}\n' for length in LENGTHS)
        return (
            *("sweep", tiny.model(), "--lengths", self.path("lengths.jsonl")),
            *("--rows", "2,4", "--row_length", "16", "--targets", "test", "test,tiles=2"),
            *more,
        )

    def test_it_writes_a_table_and_a_picture(self):
        table, picture = self.path("table.csv"), self.path("picture.svg")
        done = command(*self.words("-o", table, "--picture", picture, "--rate", "100000"))
        with open(table, newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 12)
        (best,) = [row for row in rows if row["best"] == "True"]
        self.assertIn(f"best for 100000 requests/s: {best['machines']} machine", done.stdout)
        self.assertTrue(any(row["front"] == "True" for row in rows))
        root = ElementTree.parse(picture).getroot()
        titles = [title.text for title in root.iter("{http://www.w3.org/2000/svg}title")]
        self.assertEqual(len(titles), sum(not row["failure"] for row in rows))
        # The command that it says compiles what it promises.
        words = done.stdout.splitlines()[-1].split()
        self.assertEqual(words[:2], ["tessera", "compile"])
        made = json.loads(command(*words[1:], "-o", self.path("made.popef"), "--json").stdout)
        self.assertEqual(made["cycles_per_batch"], int(best["cycles"]))

    def test_options_and_json(self):
        words = self.words("--try", "partials_type=half,float", "--precision", "fp16", "--json")
        told = json.loads(command(*words).stdout)
        self.assertEqual(list(told), ["schema", "rows", "best", "compiled"])
        self.assertEqual(len(told["rows"]), 24)
        self.assertEqual(
            {row["options"] for row in told["rows"]},
            {"partials_type=half", "partials_type=float"},
        )
        schemas.validate(self, told)

    def test_exit_codes(self):
        self.assertEqual(command("sweep", tiny.model(), check=False).returncode, 2)
        none = command(*self.words("--latency_ms", "0.000001", "--forms", "b"), check=False)
        self.assertEqual(none.returncode, 3)
        missing = command("sweep", "none.onnx", "--lengths", self.path("none.csv"), check=False)
        self.assertEqual(missing.returncode, 1)
        self.assertNotIn("Traceback", missing.stderr)
        words = sys.executable, "-m", "tessera", "swep"
        slip = subprocess.run(words, capture_output=True, text=True)
        self.assertEqual(slip.returncode, 2)
        self.assertIn("'swep' is not known; did you mean 'sweep'?", slip.stderr)

    def test_the_program_and_python_have_the_same_flags(self):
        words = sys.executable, "-m", "tessera", "sweep", "--help"
        own = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        theirs = command("sweep", "--help").stdout
        self.assertEqual(
            set(re.findall(r"--[a-z_]+", own.split("options:")[1])),
            set(re.findall(r"^  (?:-\w \[ )?(--[a-z_]+)", theirs, re.MULTILINE))
            | set(re.findall(r"^  -h \[ (--help)", theirs, re.MULTILINE)),
        )


class Lengths(Case):
    def test_every_kind_of_file_is_read_alike(self):
        np.save(self.path("a.npy"), np.array([3, 5, 3], np.int32))
        with open(self.path("b.jsonl"), "w") as file:
            file.write('{"length": 3}\n{"input_ids": [1, 2, 3, 4, 5]}\n{"length": 3}\n')
        with open(self.path("c.csv"), "w") as file:
            file.write("length,count\n3,2\n4,0\n5,1\n")
        for number, length in enumerate((3, 5, 3)):
            os.makedirs(self.path(f"d/{number}"))
            np.save(self.path(f"d/{number}/input_ids.npy"), np.zeros(length, np.int32))
        for name in ("a.npy", "b.jsonl", "c.csv", "d"):
            self.assertEqual(lengths.read_histogram(self.path(name)), {3: 2, 5: 1}, name)

    def test_a_draw_keeps_the_shares_and_the_longest(self):
        histogram = {2: 3000, 7: 6000, 90: 1000}
        taken = lengths.drawn(histogram, 100, 1)
        self.assertEqual([taken.count(n) for n in (2, 7, 90)], [30, 60, 10])
        self.assertEqual(taken, lengths.drawn(histogram, 100, 1))
        self.assertNotEqual(taken, lengths.drawn(histogram, 100, 2))
        self.assertIn(90, lengths.drawn({1: 10**9, 90: 1}, 10, 1))

    def test_what_is_wrong_is_named(self):
        for name, content, words in (
            ("a.csv", "length,count\nx,1\n", "a.csv:2: must be two whole numbers"),
            ("b.csv", "length,count\n3,-1\n", "count is -1"),
            ("c.csv", "length,count\n3,0\n", "counts no requests"),
            ("d.csv", "length,count\n0,4\n", "d.csv:2: 0, must be a length in 1.."),
            ("g.csv", "3,4\n", "g.csv:1: must be the header"),
            ("h.csv", "length,count\n3,1\n3,1\n", "h.csv:3: length 3 comes twice"),
            ("e.jsonl", "{}\n", 'e.jsonl:1: must be an object with a "length"'),
            ("f.txt", "3\n", "f.txt: must be a list of lengths"),
            ("i.jsonl", "\udcff\n", "i.jsonl:1: "),
            ("j.npy", "", "j.npy: "),
        ):
            with open(self.path(name), "w", errors="surrogateescape") as file:
                file.write(content)
            with self.assertRaisesRegex(tessera.Error, words):
                lengths.read_histogram(self.path(name))


if __name__ == "__main__":
    unittest.main()
