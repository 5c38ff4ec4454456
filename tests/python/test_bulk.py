# SPDX-License-Identifier: Apache-2.0
"""`tessera.PackedModel` and `tessera.bulk`: the same bytes however rows come and however often a
run is ended. tests/python/ray_bulk.py holds Ray against the same."""

import os
import pathlib
import shutil
import tempfile
import unittest
import unittest.mock

import numpy as np

import tessera
import tiny
from tessera import bulk, bulk_parts

ROWS = 300


def rows_of(count=ROWS, seed=3, longest=tiny.LENGTH):
    random = np.random.default_rng(seed)
    ids = np.empty(count, object)
    for row in range(count):
        ids[row] = random.integers(1, tiny.VOCABULARY, random.integers(1, longest + 1))
    return {"id": np.arange(count) * 7 + 3, "input_ids": ids, "note": np.arange(count) % 5}


def taken(rows, order):
    return {name: column[order] for name, column in rows.items()}


def content_of(folder):
    return {path.name: path.read_bytes() for path in sorted(pathlib.Path(folder).iterdir())}


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_bulk(self, name, rows=None, executable=None, **options):
        options = {"part_rows": 50, "file_format": "npz", **options}
        path = self.folder / name
        executable = executable or tiny.popef(packing="B")
        return bulk.run(rows_of() if rows is None else rows, executable, path, **options), path


class SameBits(unittest.TestCase):
    """A bulk run rests on this: nobody sees in an answer with whom it shared a batch."""

    def test_a_request_has_the_same_bits_in_any_batch_of_any_executable(self):
        rows = rows_of(60)
        for precision in ("fp32", "fp16"):
            for packing in (None, "A", "B"):
                with self.subTest(precision=precision, packing=packing):
                    self.check(tiny.popef(precision, packing), rows)

    def check(self, executable, rows):
        together = tessera.PackedModel(executable)(rows)
        order = np.random.default_rng(5).permutation(60)
        shuffled = tessera.PackedModel(executable, policy="next_fit")(taken(rows, order))
        alone = tessera.PackedModel(executable)
        for place, row in enumerate(order):
            single = alone(taken(rows, [row]))
            for output in ("start_logits", "end_logits"):
                whole = together[output][row].tobytes()
                self.assertEqual(shuffled[output][place].tobytes(), whole)
                self.assertEqual(single[output][0].tobytes(), whole)


class Model(Case):
    def test_it_answers_as_a_runner_does_and_keeps_other_columns(self):
        rows = rows_of(20)
        made = tessera.PackedModel(tiny.popef(packing="B"))(rows)
        self.assertEqual(set(made), {"id", "note", "start_logits", "end_logits"})
        requests = [{"input_ids": ids} for ids in rows["input_ids"]]
        with tessera.ModelRunner(tiny.popef(packing="B")) as runner:
            for row, answer in enumerate(runner.run_requests(requests)):
                np.testing.assert_array_equal(made["start_logits"][row], answer["start_logits"])

    def test_padding_under_the_mask_is_cut(self):
        ids = rows_of(4)["input_ids"]
        padded = np.zeros((4, tiny.LENGTH), np.int64)
        mask = np.zeros_like(padded)
        for row in range(4):
            padded[row, : len(ids[row])], mask[row, : len(ids[row])] = ids[row], 1
        model = tessera.PackedModel(tiny.popef(packing="A"))
        cut = model({"input_ids": padded, "attention_mask": mask})
        for row, want in enumerate(model({"input_ids": ids})["end_logits"]):
            np.testing.assert_array_equal(cut["end_logits"][row], want)

    def test_columns_may_have_other_names_and_outputs_may_be_left_out(self):
        rows = rows_of(5)
        model = tessera.PackedModel(
            tiny.popef(packing="B"),
            columns={"input_ids": "tokens"},
            outputs=["end_logits"],
            keep=["id"],
        )
        made = model({"id": rows["id"], "tokens": rows["input_ids"], "note": rows["note"]})
        self.assertEqual(set(made), {"id", "end_logits"})

    def test_a_bad_row_is_named_or_kept_with_its_reason(self):
        rows = rows_of(9)
        rows["input_ids"][4] = np.arange(tiny.LENGTH + 1)
        executable = tiny.popef(packing="B")
        with self.assertRaisesRegex(
            tessera.InputError, "request 4: .* has 33 tokens, must be 1..32"
        ):
            tessera.PackedModel(executable)(rows)
        made = tessera.PackedModel(executable, on_bad_row="keep")(rows)
        self.assertIn("must be 1..32", made["error"][4])
        self.assertEqual(len(made["start_logits"][4]), 0)
        good = [row for row in range(9) if row != 4]
        self.assertEqual([made["error"][row] for row in good], [""] * 8)
        want = tessera.PackedModel(executable)(taken(rows, good))
        for place, row in enumerate(good):
            np.testing.assert_array_equal(made["end_logits"][row], want["end_logits"][place])

    def test_slips_are_named(self):
        executable = tiny.popef(packing="B")
        for options, words in (
            ({"policy": "best"}, "policy: 'best', must be one of next_fit"),
            ({"on_bad_row": "drop"}, "on_bad_row: 'drop'"),
            ({"columns": {"ids": "a"}}, "columns: 'ids' is not an input"),
            ({"outputs": ["logits"]}, "outputs: 'logits' is not one"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, words):
                tessera.PackedModel(executable, **options)
        with self.assertRaisesRegex(tessera.UsageError, "no column 'input_ids'"):
            tessera.PackedModel(executable)({"ids": [[1]]})


class Run(Case):
    def test_every_row_is_answered_once_in_parts_by_its_key(self):
        done, path = self.run_bulk("a")
        self.assertEqual((done.parts, done.made, done.work.rows), (6, 6, ROWS))
        rows = rows_of()
        want = tessera.PackedModel(tiny.popef(packing="B"))(rows)
        place = {int(key): row for row, key in enumerate(rows["id"])}
        seen = []
        for number in range(6):
            part = bulk.read_part(str(path / f"part-{number:05d}.npz"))
            self.assertEqual(part["id"].tolist(), sorted(part["id"]))
            for row, key in enumerate(part["id"].tolist()):
                seen.append(key)
                whole = place[key]
                self.assertEqual(part["note"][row], rows["note"][whole])
                np.testing.assert_array_equal(
                    part["start_logits"][row], want["start_logits"][whole]
                )
        self.assertEqual(sorted(seen), rows["id"].tolist())

    def test_the_order_of_rows_changes_no_byte(self):
        _, path = self.run_bulk("a")
        order = np.random.default_rng(1).permutation(ROWS)
        _, other = self.run_bulk("b", taken(rows_of(), order))
        self.assertEqual(content_of(path), content_of(other))

    def test_a_run_that_was_ended_goes_on(self):
        _, path = self.run_bulk("a")

        class EndedError(Exception):
            pass

        def end(progress):
            if progress.rows > 150:
                raise EndedError

        with self.assertRaises(EndedError):
            self.run_bulk("b", progress=end)
        part = self.folder / "b" / "part-00000"
        part.with_suffix(".json").unlink()  # killed between the part and its record
        part.with_suffix(".npz").write_bytes(b"half")
        (self.folder / "b" / ".tessera-half.part").write_bytes(b"half")
        done, other = self.run_bulk("b")
        self.assertLess(done.made, 6)
        self.assertEqual(content_of(path), content_of(other))
        again, _ = self.run_bulk("b")
        self.assertEqual((again.made, again.work), (0, done.work))

    def test_a_folder_of_another_run_is_left_alone(self):
        self.run_bulk("a")
        before = content_of(self.folder / "a")
        for other in (
            {"policy": "first_fit"},
            {"part_rows": 60},
            {"outputs": ["end_logits"]},
            {"executable": tiny.popef("fp16", "B")},
        ):
            with self.assertRaisesRegex(tessera.Error, "is of another run"):
                self.run_bulk("a", **other)
        (self.folder / "mine").mkdir()
        (self.folder / "mine" / "letter.txt").write_text("dear")
        with self.assertRaisesRegex(tessera.Error, "holds other files"):
            self.run_bulk("mine")
        self.assertEqual(content_of(self.folder / "a"), before)

    def test_keys_are_of_one_row_each(self):
        rows = rows_of()
        rows["id"][7] = rows["id"][8]
        with self.assertRaisesRegex(tessera.Error, "is there twice"):
            self.run_bulk("a", rows)
        with self.assertRaisesRegex(tessera.UsageError, "no column 'key'"):
            self.run_bulk("b", key="key")

    def test_slips_are_named_before_anything_is_written(self):
        for options, words in (
            ({"part_rows": 0}, "part_rows: is 0, must be at least 1"),
            ({"policy": "best"}, "policy: 'best', must be one of"),
            (
                {"executable": tessera.load(tiny.popef()), "require_signature": "key.pub"},
                "require_signature: is for files",
            ),
        ):
            with self.assertRaisesRegex(tessera.UsageError, words):
                self.run_bulk("a", **options)
        self.assertFalse((self.folder / "a").exists())

    def test_columns_may_be_lists(self):
        _, path = self.run_bulk("a")
        rows = rows_of()
        lists = {name: column.tolist() for name, column in rows.items()}
        lists["input_ids"] = [ids.tolist() for ids in rows["input_ids"]]
        _, other = self.run_bulk("b", lists)
        self.assertEqual(content_of(path), content_of(other))
        lists["more"] = [[1]] * (ROWS - 1) + [[1, 2]]
        _, more = self.run_bulk("c", lists)
        part = bulk.read_part(str(more / "part-00000.npz"))
        self.assertEqual(part["more"][0].tolist(), [1])

    def test_a_manifest_is_written_of_all_rows_alone(self):
        _, path = self.run_bulk("a")
        (path / "manifest.json").unlink()
        folder = bulk_parts.Folder(str(path), "npz", {})
        done = list(folder.all_done().values())
        with self.assertRaisesRegex(tessera.Error, f"rows were answered, must be {ROWS}"):
            bulk.finish(folder, done[1:], ROWS, 0)
        with self.assertRaisesRegex(tessera.Error, "6 parts are there, must be 7"):
            bulk.finish(folder, done, 0, 7)
        self.assertFalse((path / "manifest.json").exists())

    def test_texts_are_keys_too(self):
        rows = rows_of()
        rows["id"] = np.array([f"doc {key}" for key in rows["id"]])
        done, path = self.run_bulk("a", rows)
        self.assertEqual(done.work.rows, ROWS)
        order = np.random.default_rng(1).permutation(ROWS)
        _, other = self.run_bulk("b", taken(rows, order))
        self.assertEqual(content_of(path), content_of(other))

    def test_the_part_of_a_key_never_changes(self):
        self.assertEqual(bulk_parts.part_of([0, 1, 2, 10**15], 1000).tolist(), [0, 789, 730, 746])
        self.assertEqual(bulk_parts.part_of(["a", "b", "ä"], 1000).tolist(), [928, 668, 504])

    def test_all_rows_packed_at_once_need_no_more_batches_than_parts_by_themselves(self):
        apart, path = self.run_bulk("a", part_rows=20)
        planned, whole = self.run_bulk("b", part_rows=20, histogram=True)
        self.assertEqual(planned.work.rows, ROWS)
        self.assertLess(planned.work.batches, apart.work.batches)
        lengths = [len(ids) for ids in rows_of()["input_ids"]]
        executable = tessera.load(tiny.popef(packing="B"))
        batches = tessera.pack(lengths, executable, policy="lpfhp")
        self.assertLessEqual(planned.work.batches, len(batches))
        # The same answers, wherever they stand.
        self.assertEqual(self.answers(path), self.answers(whole))
        order = np.random.default_rng(1).permutation(ROWS)
        _, other = self.run_bulk("c", taken(rows_of(), order), part_rows=20, histogram=True)
        self.assertEqual(content_of(whole), content_of(other))

    def answers(self, path):
        found = {}
        for file in path.glob("part-*.npz"):
            part = bulk.read_part(str(file))
            for row, key in enumerate(part["id"].tolist()):
                found[key] = part["end_logits"][row].tobytes()
        return found

    def test_files_are_parts(self):
        rows = rows_of()
        names = []
        for number in range(3):
            names.append(self.folder / f"texts-{number}.jsonl")
            with open(names[-1], "w") as file:
                for row in range(number * 100, number * 100 + 100):
                    ids = rows["input_ids"][row].tolist()
                    file.write(f'{{"id": {row}, "input_ids": {ids}}}\n')
        done, path = self.run_bulk("a", names)
        self.assertEqual((done.parts, done.work.rows), (3, ROWS))
        part = bulk.read_part(str(path / "part-00001.npz"))
        self.assertEqual(part["id"].tolist(), list(range(100, 200)))
        with self.assertRaisesRegex(tessera.UsageError, "a file is a part"):
            self.run_bulk("b", names, histogram=True)
        names[1].unlink()  # a part that is there is not read again
        again, _ = self.run_bulk("a", names)
        self.assertEqual((again.made, again.work), (0, done.work))
        for content, words in (
            (b"{}\n[]\n", "must be an object"),
            (b"{}\n\xff\n", "is not JSON"),
            (b"{}\n" + b"[" * 100_000 + b"\n", "is not JSON"),
        ):
            names[1].write_bytes(content)
            with self.assertRaisesRegex(tessera.Error, f"texts-1.jsonl:2: {words}"):
                self.run_bulk("c", names)

    def test_progress_says_how_far_and_how_full(self):
        told = []
        done, _ = self.run_bulk("a", progress=told.append)
        self.assertEqual([one.of for one in told], [ROWS] * 6)
        self.assertEqual(told[-1].rows, ROWS)
        self.assertEqual(told[-1].seconds_left, 0)
        self.assertAlmostEqual(told[-1].fill, done.work.tokens / done.work.cells)
        self.assertIn("300 of 300 rows", str(told[-1]))

    def test_a_part_at_which_workers_die_is_given_up(self):
        folder = bulk_parts.Folder(str(self.folder), "npz", {})
        for _ in range(3):
            folder.begin(4, 3)
        with self.assertRaisesRegex(tessera.Error, "part 4: 3 workers died at it"):
            folder.begin(4, 3)
        folder.forget_attempts()
        folder.begin(4, 3)

    def test_a_disk_that_is_full_leaves_no_half_part(self):
        full = unittest.mock.patch.object(os, "fsync", side_effect=OSError("no room"))
        with full, self.assertRaises(OSError):
            self.run_bulk("a")
        self.assertEqual([path.name for path in (self.folder / "a").iterdir()], [])
        shutil.rmtree(self.folder / "a")
        self.run_bulk("a")


class WithoutExtras(Case):
    def test_what_is_missing_is_named_with_what_to_install(self):
        import tessera.ray

        with unittest.mock.patch.dict("sys.modules", {"ray": None, "pyarrow.parquet": None}):
            with self.assertRaisesRegex(tessera.Error, r"pip install 'tessera\[ray\]'"):
                tessera.ray.run(None, tiny.popef(packing="B"), self.folder / "a")
            with self.assertRaisesRegex(tessera.Error, r"Parquet: .*'tessera\[ray\]'"):
                self.run_bulk("b", file_format="parquet")
        self.assertFalse((self.folder / "a").exists())


if __name__ == "__main__":
    unittest.main()
