# SPDX-License-Identifier: Apache-2.0
import asyncio
import concurrent.futures
import unittest

import numpy as np

import tessera
import tiny


def request(length, seed=0):
    random = np.random.default_rng((seed, length))
    return {
        "input_ids": random.integers(0, tiny.VOCABULARY, length).astype(np.int32),
        "token_type_ids": random.integers(0, 2, length).astype(np.int32),
    }


LENGTHS = [5, 32, 1, 17, 9, 30, 2, 2, 11, 25, 8, 3]
REQUESTS = [request(length, i) for i, length in enumerate(LENGTHS)]


def padded_answers():
    """Each request alone in its row of the padded executable."""
    answers = []
    with tessera.ModelRunner(tiny.popef(), threads=1) as runner:
        for one in REQUESTS:
            length = len(one["input_ids"])
            inputs = {
                n: np.zeros((tiny.ROWS, tiny.LENGTH), np.int32)
                for n in ("input_ids", "attention_mask", "token_type_ids")
            }
            inputs["attention_mask"][0, :length] = 1
            for name, array in one.items():
                inputs[name][0, :length] = array
            out = runner.run(inputs)
            answers.append({name: array[0, :length] for name, array in out.items()})
    return answers


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.expected = padded_answers()

    def same(self, answers):
        self.assertEqual(len(answers), len(self.expected))
        for answer, expected in zip(answers, self.expected):
            for name, array in expected.items():
                self.assertEqual(answer[name].shape, array.shape)
                np.testing.assert_allclose(answer[name], array, atol=2e-6)

    def test_are_those_of_the_padded_model(self):
        for packing in (None, "A", "B"):
            for policy in ("next_fit", "first_fit", "best_fit", "window"):
                with (
                    self.subTest((packing, policy)),
                    tessera.PackRunner(
                        tiny.popef("fp32", packing), policy=policy, threads=1, timeout=0.002
                    ) as runner,
                ):
                    self.same([f.result() for f in [runner.submit(r) for r in REQUESTS]])

    def test_offline_too(self):
        for packing in (None, "A", "B"):
            with tessera.ModelRunner(tiny.popef("fp32", packing), threads=1) as runner:
                for policy in tessera.policies:
                    self.same(runner.run_requests(REQUESTS, policy=policy))

    def test_batches_packed_by_hand(self):
        for packing in ("A", "B"):
            answers = [None] * len(REQUESTS)
            with tessera.ModelRunner(tiny.popef("fp32", packing), threads=1) as runner:
                for batch in tessera.pack(LENGTHS, runner.executable):
                    out = runner.run(batch.inputs(REQUESTS))
                    for ordinal, (number, start, length) in enumerate(batch.placements):
                        answers[number] = {
                            name: (
                                array[ordinal, :length]
                                if packing == "A"
                                else array.reshape(-1)[start : start + length]
                            )
                            for name, array in out.items()
                        }
            self.same(answers)

    def test_a_batch_made_by_hand_stays_inside_its_tensors(self):
        one = {"input_ids": np.array([7], np.int32)}
        contract = tessera.Packing(
            "B", 2, 8, 0, 8, ("input_ids",), "input_ids", "mask", "positions", "", {}
        )
        form_a = contract._replace(form="A", max_valid_num=1, unpack_info_input="info")

        def inputs(packing, *places):
            batch = tessera.PackedBatch(places, len(places), packing)
            return batch.inputs([one] * len(places))

        self.assertEqual(inputs(contract, (0, 15, 1))["input_ids"][1, 7], 7)
        for start in (16, 2**63 - 1, -1):
            with self.assertRaisesRegex(tessera.UsageError, "outside of the batch"):
                inputs(contract, (0, start, 1))
        self.assertEqual(inputs(form_a, (0, 0, 1))["info"][0, 0], 1)
        with self.assertRaisesRegex(tessera.UsageError, "request 1: is one too many"):
            inputs(form_a, (0, 0, 1), (1, 1, 1))
        form_b = contract._replace(max_valid_num=2, unpack_info_input="info")
        self.assertEqual(inputs(form_b, (0, 8, 1))["info"].tolist(), [[8, 1], [0, 0]])
        with self.assertRaisesRegex(tessera.UsageError, "must have a max_valid_num"):
            inputs(contract._replace(unpack_info_input="info"), (0, 0, 1))
        with self.assertRaisesRegex(tessera.Error, "rows is"):
            inputs(contract._replace(rows=2**62), (0, 0, 1))

    def test_fill_the_callers_arrays_and_leave_the_rest(self):
        with tessera.PackRunner(tiny.popef("fp32", "A"), timeout=0, threads=1) as runner:
            for dtype, tolerance in ((np.float32, 2e-6), (np.float16, 2e-3)):
                outputs = {"start_logits": np.full(tiny.LENGTH, 7, dtype)}
                answer = runner.submit(REQUESTS[0], outputs).result()
                self.assertIs(answer["start_logits"], outputs["start_logits"])
                np.testing.assert_allclose(
                    outputs["start_logits"][:5], self.expected[0]["start_logits"], atol=tolerance
                )
                np.testing.assert_array_equal(outputs["start_logits"][5:], 7)

    def test_many_threads_and_tasks_get_their_own(self):
        with tessera.PackRunner(tiny.popef("fp32", "B"), timeout=0.002, threads=1) as runner:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                self.same(list(pool.map(runner.run, REQUESTS)))

            async def gather():
                return await asyncio.gather(*(runner.submit(r) for r in REQUESTS))

            self.same(asyncio.run(gather()))
            self.assertEqual(sum(r.requests for r in runner.records()), 2 * len(REQUESTS))
            metrics = runner.metrics()
            self.assertEqual(metrics["answered"], 2 * len(REQUESTS))
            self.assertIn("tessera", metrics["prometheus"])


class Refusals(unittest.TestCase):
    def setUp(self):
        self.runner = tessera.PackRunner(tiny.popef("fp32", "B"), timeout=5, threads=1)
        self.addCleanup(self.runner.close)

    def refused(self, reason, words, outputs=None, **changes):
        with self.assertRaises(tessera.Error) as raised:
            self.runner.submit({**request(4), **changes}, outputs)
        self.assertIn(words, str(raised.exception))
        self.assertEqual(raised.exception.reason, reason)

    def test_say_what_and_why(self):
        empty = np.zeros(0, np.int32)
        self.refused("empty", "input_ids", input_ids=empty, token_type_ids=empty)
        long = np.zeros(33, np.int32)
        self.refused("over_long", "33", input_ids=long, token_type_ids=long)
        self.refused("wrong_input", "ids", ids=np.zeros(4, np.int32))
        self.refused("wrong_input", "token_type_ids", token_type_ids=np.zeros(3, np.int32))
        self.refused("wrong_input", "input_ids", input_ids=np.zeros((2, 2), np.int32))
        self.refused("wrong_dtype", "input_ids", input_ids=np.zeros(4, np.float32))
        self.refused("out_of_range", "100", input_ids=np.full(4, 100, np.int32))
        self.refused("hole_in_mask", "attention_mask", attention_mask=np.array([1, 0, 1, 1]))
        self.refused(
            "",
            "output has room for 3 values, must have room for 4",
            outputs={"end_logits": np.zeros(3, np.float32)},
        )
        self.refused("", "logits: is not an output", outputs={"logits": np.zeros(4, np.float32)})
        self.refused("", "read-only", outputs={"end_logits": np.broadcast_to(np.float32(0), (1,))})
        self.assertEqual(self.runner.metrics()["admitted"], 0)

    def test_of_options(self):
        for options, words in [
            ({"policy": "nextfit"}, "policy: 'nextfit', must be next_fit"),
            ({"policy": "spfhp"}, "spfhp"),
            ({"timeout": -1}, "timeout: '-1.0', must be seconds, 0 or more"),
            ({"timeout": "1"}, "timeout: is a str, must be a number"),
            ({"batch_time": "guessed"}, "batch_time: 'guessed', must be measured or modelled"),
            ({"keep_order": 1}, "keep_order: is a int, must be True or False"),
            ({"time_out": 3}, "'time_out' is not an option; did you mean 'timeout'"),
            ({"max_queue": 0}, "max_queue is 0"),
            ({"max_valid_num": -2}, "max_valid_num"),
        ]:
            with self.assertRaisesRegex(tessera.Error, words):
                tessera.PackRunner(tiny.popef("fp32", "A"), **options)
        with self.assertRaisesRegex(tessera.UsageError, "policy: 'fit'"):
            tessera.pack([3], tessera.load(tiny.popef("fp32", "A")), policy="fit")
        with self.assertRaisesRegex(tessera.Error, "request 1"):
            tessera.pack([3, 33], tessera.load(tiny.popef("fp32", "A")))

    def test_a_cancelled_request_leaves_the_queue(self):
        future = self.runner.submit(request(4))
        self.assertTrue(future.cancel())
        self.assertEqual(self.runner.metrics()["cancelled"], 1)
        with self.assertRaises(concurrent.futures.CancelledError):
            future.result()

    def test_close_answers_what_waits(self):
        futures = [self.runner.submit(request(4, i)) for i in range(5)]
        self.runner.close()
        self.assertEqual([f.result(60)["start_logits"].shape for f in futures], [(4,)] * 5)
        with self.assertRaisesRegex(tessera.Error, "pack runner: is closed, must be open"):
            self.runner.submit(request(4))

    def test_drain_and_flush_send_what_waits(self):
        future = self.runner.submit(request(4))
        self.runner.flush()
        future.result(60)
        future = self.runner.submit(request(4))
        self.runner.drain()
        self.assertTrue(future.result(60))

    def test_a_full_queue_refuses_after_the_wait(self):
        runner = tessera.PackRunner(tiny.popef("fp32", "B"), timeout=60, max_queue=2, threads=1)
        self.addCleanup(runner.close)
        runner.submit(request(4))
        runner.submit(request(4))
        with self.assertRaises(tessera.RefusedError) as raised:
            runner.submit(request(4), wait=0.01)
        self.assertEqual(raised.exception.reason, "queue_full")


if __name__ == "__main__":
    unittest.main()
