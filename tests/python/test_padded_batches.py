# SPDX-License-Identifier: Apache-2.0
"""Batches as ``tokenizer(texts, padding=True)`` gives them, where requests are taken."""

import asyncio
import collections
import concurrent.futures
import os
import unittest

import numpy as np

import tessera
import tiny
from test_pack_runner import LENGTHS, REQUESTS, padded_answers

WIDTH = max(LENGTHS)


def padded(side, requests=REQUESTS, width=WIDTH, dtype=np.int64):
    """The requests in rows, with the padding at their ``side``; of "around", alternately."""
    names = (*requests[0], "attention_mask")
    batch = {name: np.full((len(requests), width), 0, dtype) for name in names}
    batch["input_ids"][:] = 7  # padding may be anything
    for row, one in enumerate(requests):
        length = len(one["input_ids"])
        start = {"right": 0, "left": width - length, "around": (width - length) // 2}[side]
        for name, array in {**one, "attention_mask": np.ones(length)}.items():
            batch[name][row, start : start + length] = array
    return batch


class PaddedBatches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.expected = padded_answers()

    def same(self, answer, batch):
        self.assertEqual(set(answer), {"start_logits", "end_logits"})
        for name, array in answer.items():
            self.assertEqual(array.shape, batch["input_ids"].shape)
            there = batch["attention_mask"] != 0
            np.testing.assert_array_equal(array[~there], 0)
            for row, expected in enumerate(self.expected):
                np.testing.assert_allclose(array[row][there[row]], expected[name], atol=2e-6)

    def test_are_answered_in_their_own_shape(self):
        for packing in (None, "A", "B"):
            popef = tiny.popef("fp32", packing)
            with (
                tessera.ModelRunner(popef, threads=1) as known,
                tessera.PackRunner(popef, threads=1, timeout=0.002) as online,
            ):
                for side in ("right", "left", "around"):
                    with self.subTest((packing, side)):
                        batch = padded(side)
                        self.same(known.run_requests(batch), batch)
                        self.same(online.run(batch), batch)
                        self.same(online.submit(batch).result(), batch)

    def test_are_any_mapping_and_lists_too(self):
        batch = padded("right")
        lists = {name: array.tolist() for name, array in batch.items()}
        with tessera.ModelRunner(tiny.popef("fp32", "B"), threads=1) as runner:
            self.same(runner.run_requests(collections.UserDict(batch)), batch)
            self.same(runner.run_requests(lists), batch)

    def test_stand_among_requests(self):
        batch = padded("left", REQUESTS[:3])
        with tessera.ModelRunner(tiny.popef("fp32", "A"), threads=1) as runner:
            first, answer, last = runner.run_requests([REQUESTS[3], batch, REQUESTS[4]])
        there = batch["attention_mask"] != 0
        for name in answer:
            np.testing.assert_allclose(first[name], self.expected[3][name], atol=2e-6)
            np.testing.assert_allclose(last[name], self.expected[4][name], atol=2e-6)
            got = answer[name][there]
            wanted = np.concatenate([expected[name] for expected in self.expected[:3]])
            np.testing.assert_allclose(got, wanted, atol=2e-6)

    def test_of_one_row_are_batches_where_a_batch_is_asked_for(self):
        batch = padded("left", REQUESTS[:1], 9)
        with tessera.ModelRunner(tiny.popef("fp32", "B"), threads=1) as runner:
            self.assertEqual(runner.run_requests(batch)["end_logits"].shape, (1, 9))
            own = {"input_ids": REQUESTS[0]["input_ids"][None]}
            self.assertEqual(runner.run_requests([own])[0]["end_logits"].shape, (5,))

    def test_without_a_mask_have_no_padding(self):
        ids = np.stack([REQUESTS[1]["input_ids"]] * 2)
        with tessera.ModelRunner(tiny.popef("fp32", "B"), threads=1) as runner:
            answer = runner.run_requests({"input_ids": ids})
            alone = runner.run_requests([{"input_ids": ids[0]}])[0]
        for name, array in alone.items():
            np.testing.assert_array_equal(answer[name], np.stack([array] * 2))

    def test_fill_the_callers_arrays(self):
        batch = padded("left")
        outputs = {"end_logits": np.full((len(LENGTHS), WIDTH), 9, np.float32)}
        with tessera.PackRunner(tiny.popef("fp32", "B"), timeout=0, threads=1) as runner:
            answer = runner.submit(batch, outputs).result()
            self.assertIs(answer["end_logits"], outputs["end_logits"])
            small = {"end_logits": np.zeros((len(LENGTHS), WIDTH - 1), np.float32)}
            with self.assertRaisesRegex(tessera.Error, "output has room for"):
                runner.submit(batch, small)
        np.testing.assert_array_equal(outputs["end_logits"][batch["attention_mask"] == 0], 0)

    def test_ride_together_with_others(self):
        with tessera.PackRunner(tiny.popef("fp32", "A"), timeout=0.002, threads=1) as runner:

            async def gather():
                both = [runner.submit(padded(side)) for side in ("left", "right")]
                return await asyncio.gather(*both, *(runner.submit(one) for one in REQUESTS))

            left, right, *_ = asyncio.run(gather())
            self.same(left, padded("left"))
            self.same(right, padded("right"))
            self.assertEqual(sum(r.requests for r in runner.records()), 3 * len(REQUESTS))

    def test_are_cancelled_as_a_whole(self):
        with tessera.PackRunner(tiny.popef("fp32", "B"), timeout=60, threads=1) as runner:
            future = runner.submit(padded("right", REQUESTS[2:4]))
            self.assertTrue(future.cancel())
            self.assertEqual(runner.metrics()["cancelled"], 2)
            self.assertEqual(runner.metrics()["queue_requests"], 0)
            with self.assertRaises(concurrent.futures.CancelledError):
                future.result()

    def test_are_refused_by_the_row(self):
        hole = padded("right")
        hole["attention_mask"][3, 1] = 0
        empty = padded("right")
        empty["attention_mask"][2] = 0
        other = {**padded("right"), "token_type_ids": np.zeros((2, 3), np.int64)}
        for packing in (None, "B"):
            popef = tiny.popef("fp32", packing)
            with (
                tessera.ModelRunner(popef, threads=1) as known,
                tessera.PackRunner(popef, threads=1, timeout=60) as online,
            ):
                for batch, row, reason in ((hole, 3, "hole_in_mask"), (empty, 2, "empty")):
                    with self.assertRaisesRegex(tessera.Error, f"request {row}: ") as raised:
                        known.run_requests(batch)
                    self.assertEqual(raised.exception.reason, reason)
                    with self.assertRaisesRegex(tessera.Error, f"request 1, row {row}: "):
                        known.run_requests([REQUESTS[0], batch])
                    with self.assertRaisesRegex(tessera.Error, f"^row {row}: ") as raised:
                        online.submit(batch)
                    self.assertEqual(raised.exception.reason, reason)
                    self.assertEqual(online.metrics()["queue_requests"], 0)
                for call in (known.run_requests, online.submit):
                    with self.assertRaisesRegex(tessera.Error, r"must begin with \[12,32\]"):
                        call(other)
                with self.assertRaisesRegex(tessera.UsageError, "must be a list of requests"):
                    known.run_requests(REQUESTS[0])

    def test_single_requests_are_stripped_where_it_is_asked_for(self):
        batch = padded("left")
        rows = [{name: array[i] for name, array in batch.items()} for i in range(len(LENGTHS))]
        with tessera.ModelRunner(tiny.popef("fp32", "A"), threads=1) as runner:
            for answer, expected in zip(
                runner.run_requests(rows, strip_padding=True), self.expected
            ):
                for name, array in expected.items():
                    np.testing.assert_allclose(answer[name], array, atol=2e-6)
            with self.assertRaisesRegex(tessera.Error, "request 0: attention_mask has a 0 at 0"):
                runner.run_requests(rows)

    def test_are_rows_of_a_packed_model(self):
        batch = padded("left")
        with tessera.ModelRunner(tiny.popef("fp32", "A"), threads=1) as runner:
            wanted = runner.run_requests(REQUESTS, policy="lpfhp")
        got = tessera.PackedModel(tiny.popef("fp32", "A"))(batch)
        for row, answer in enumerate(wanted):
            np.testing.assert_array_equal(got["end_logits"][row], answer["end_logits"])


class Files(unittest.TestCase):
    """The same through ``tessera run --requests``."""

    def write(self, name, arrays):
        folder = tiny.path(name)
        os.makedirs(folder, exist_ok=True)
        for input_name, array in arrays.items():
            np.save(os.path.join(folder, input_name + ".npy"), array)
        return folder

    def test_answers_have_the_shape_of_the_batch(self):
        batch = padded("left")
        with tessera.ModelRunner(tiny.popef("fp32", "B"), threads=1) as runner:
            wanted = runner.run_requests(batch, policy="window")
        outputs = tiny.path("batch-answers")
        folder = self.write("batch", batch)
        popef = tiny.popef("fp32", "B")
        ran = tiny.command_line("run", popef, "--requests", folder, "--outputs", outputs)
        self.assertIn("answered 12 of 12 requests", ran.stdout)
        for name, array in wanted.items():
            np.testing.assert_allclose(np.load(f"{outputs}/{name}.npy"), array, atol=2e-6)

    def test_a_batch_with_a_bad_row_has_no_answer_and_others_have(self):
        bad = padded("right", REQUESTS[:3])
        bad["attention_mask"][1, 3] = 0
        requests = tiny.path("some-bad")
        self.write("some-bad/bad", bad)
        self.write("some-bad/good", padded("around", REQUESTS[:2]))
        self.write("some-bad/one", REQUESTS[2])
        outputs = tiny.path("some-bad-answers")
        popef = tiny.popef("fp32", "A")
        ran = tiny.command_line(
            "run", popef, "--requests", requests, "--outputs", outputs, check=False
        )
        self.assertEqual(ran.returncode, 1)
        self.assertIn("request 'bad': row 1: request: attention_mask has a 1 at 4", ran.stderr)
        self.assertIn("answered 3 of 6 requests", ran.stdout)
        self.assertEqual(sorted(os.listdir(outputs)), ["good", "one"])
        self.assertEqual(np.load(f"{outputs}/good/end_logits.npy").shape, (2, WIDTH))
        self.assertEqual(np.load(f"{outputs}/one/end_logits.npy").shape, (1,))

    def test_a_plan_is_made_of_the_rows(self):
        folder = self.write("planned", padded("left"))
        popef, plan = tiny.popef("fp32", "B"), tiny.path("plan.json")
        tiny.command_line("pack", folder, "--executable", popef, "-o", plan)
        outputs = tiny.path("planned-answers")
        ran = tiny.command_line(
            "run", popef, "--requests", folder, "--plan", plan, "--outputs", outputs
        )
        self.assertIn("answered 12 of 12 requests", ran.stdout)
        self.assertEqual(np.load(f"{outputs}/end_logits.npy").shape, (12, WIDTH))

    def test_a_check_takes_them(self):
        folder = self.write("checked", padded("left", REQUESTS[:3]))
        words = ("--input_shape", "input_ids=4,32", "--requests", folder, "--random_requests", "0")
        ran = tiny.command_line("check", tiny.model(), *words)
        self.assertRegex(ran.stdout, r"padded +start_logits .*row [012]")

    def test_arrays_beside_folders_are_refused(self):
        folder = self.write("mixed", padded("left", REQUESTS[:2]))
        self.write("mixed/one", REQUESTS[0])
        ran = tiny.command_line("run", tiny.popef("fp32", "B"), "--requests", folder, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("holds arrays and folders", ran.stderr)


if __name__ == "__main__":
    unittest.main()
