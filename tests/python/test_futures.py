# SPDX-License-Identifier: Apache-2.0
import asyncio
import concurrent.futures
import gc
import os
import resource
import threading
import time
import unittest

import numpy as np

import tessera
import tiny

COUNT = int(os.environ.get("TESSERA_REQUESTS", "4000"))


class Case(unittest.TestCase):
    def setUp(self):
        self.runner = tessera.ModelRunner(tiny.popef(), threads=1)
        self.addCleanup(self.runner.close)


class Futures(Case):
    def test_carry_the_outputs(self):
        expected = self.runner.run(tiny.batch(5))
        answer = self.runner.submit(tiny.batch(5)).result()
        np.testing.assert_array_equal(answer["end_logits"], expected["end_logits"])

    def test_work_with_concurrent_futures(self):
        futures = [self.runner.submit(tiny.batch(i)) for i in range(8)]
        self.assertIsInstance(futures[0], concurrent.futures.Future)
        done, pending = concurrent.futures.wait(futures)
        self.assertEqual((len(done), len(pending)), (8, 0))
        self.assertEqual(set(concurrent.futures.as_completed(futures)), set(futures))

    def test_work_with_asyncio(self):
        async def main():
            one = await self.runner.submit(tiny.batch(1))
            many = await asyncio.gather(*(self.runner.submit(tiny.batch(i)) for i in range(8)))
            return one, many

        one, many = asyncio.run(main())
        np.testing.assert_array_equal(one["start_logits"], many[1]["start_logits"])

    def test_call_back(self):
        called = threading.Event()
        self.runner.submit(tiny.batch()).add_done_callback(lambda future: called.set())
        self.assertTrue(called.wait(60))

    def test_a_cancelled_one_stays_cancelled(self):
        futures = [self.runner.submit(tiny.batch(i)) for i in range(16)]
        cancelled = futures[-1].cancel()
        self.assertEqual(futures[-1].cancelled(), cancelled)
        for future in futures[:-1]:
            future.result()
        self.runner.close()
        self.assertEqual(futures[-1].cancelled(), cancelled)

    def test_wait_returns_when_the_outputs_are_filled(self):
        outputs = tiny.empty_outputs()
        self.assertIsNone(self.runner.submit(tiny.batch(), outputs).wait())
        self.assertTrue(outputs["start_logits"].any())


class InFlight(Case):
    def test_arrays_freed_by_the_caller_live_until_the_batch_is_done(self):
        expected = [self.runner.run(tiny.batch(i))["start_logits"] for i in range(20)]
        futures = []
        for i in range(20):
            futures.append(self.runner.submit(tiny.batch(i), tiny.empty_outputs()))
            gc.collect()
            np.full((tiny.ROWS, tiny.LENGTH), -1, np.int32)  # likely where the last inputs lay
        for future, array in zip(futures, expected):
            np.testing.assert_array_equal(future.result()["start_logits"], array)

    def test_a_runner_that_nobody_holds_answers_what_it_took(self):
        runner = tessera.ModelRunner(tiny.popef(), threads=1)
        futures = [runner.submit(tiny.batch(i)) for i in range(8)]
        del runner
        gc.collect()
        self.assertEqual(len([f.result() for f in futures]), 8)

    def test_close_answers_what_was_taken_and_refuses_the_rest(self):
        futures = [self.runner.submit(tiny.batch(i)) for i in range(8)]
        self.runner.close()
        self.runner.close()
        self.assertTrue(self.runner.closed)
        self.assertEqual(len([f.result(60) for f in futures]), 8)
        for call in (self.runner.run, self.runner.submit):
            with self.assertRaisesRegex(tessera.Error, "model runner: is closed, must be open"):
                call(tiny.batch())

    def test_closing_while_other_threads_run(self):
        outcomes = []

        def use():
            for _ in range(200):
                try:
                    self.runner.run(tiny.batch(0))
                except tessera.Error as error:
                    outcomes.append(str(error))
                    return
            outcomes.append("never refused")

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.05)
        self.runner.close()
        for thread in threads:
            thread.join()
        self.assertEqual(set(outcomes), {"model runner: is closed, must be open"})

    def test_the_interpreter_goes_on_while_a_batch_runs(self):
        counted, stop = [0], threading.Event()

        def count():
            while not stop.is_set():
                counted[0] += 1
                time.sleep(0)

        thread = threading.Thread(target=count)
        thread.start()
        most = 0
        for _ in range(50):  # a busy host may not let the thread run at once
            before = counted[0]
            for _ in range(20):
                self.runner.run(tiny.batch())
            most = max(most, counted[0] - before)
            if most > 20:
                break
        stop.set()
        thread.join()
        self.assertGreater(most, 20)


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


class Many(unittest.TestCase):
    """Thousands of executeAsync calls of PopRT's spelling (Python.million: a million) leak nothing
    and lose nothing: every array holds its own request's answer, to the bit."""

    KINDS, IN_FLIGHT, THREADS = 60, 500, 2

    def setUp(self):
        from poprt_compat import runtime

        path = tiny.path("many.popef")
        pack_args = {"max_valid_num": 16, "segment_max_size": 8}
        tessera.compile(tiny.model(), path, input_shape={"input_ids": (4, 8)}, pack_args=pack_args)
        self.requests = [
            {"input_ids": np.full(1 + kind % 8, 1 + kind, np.int32)} for kind in range(self.KINDS)
        ]
        with tessera.ModelRunner(path, threads=1) as alone:
            self.expected = [alone.run_requests([r])[0]["end_logits"] for r in self.requests]
        config = runtime.PackRunnerConfig(timeout_microseconds=500, max_valid_num=16)
        self.runner = runtime.PackRunner(path, config)
        self.wrong = 0

    def drive(self, calls):
        slots = [(i % self.KINDS, np.zeros(8, np.float32)) for i in range(self.IN_FLIGHT)]
        for _ in range(calls // self.IN_FLIGHT):
            futures = []
            for kind, array in slots:
                array.fill(-1)
                futures.append(self.runner.executeAsync(self.requests[kind], {"end_logits": array}))
            for future, (kind, array) in zip(futures, slots):
                future.wait()
                expected = self.expected[kind]
                if array.tobytes() != expected.tobytes() + b"\0\0\x80\xbf" * (8 - len(expected)):
                    self.wrong += 1

    def drive_in_threads(self, calls):
        threads = [
            threading.Thread(target=self.drive, args=(calls // self.THREADS,))
            for _ in range(self.THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        gc.collect()

    def test_thousands_of_requests_leak_and_lose_nothing(self):
        self.drive_in_threads(COUNT // 4)  # whatever is allocated once
        before = resident_bytes()
        start = time.perf_counter()
        self.drive_in_threads(COUNT)
        seconds = time.perf_counter() - start
        grown = resident_bytes() - before
        counted = self.runner._runner.metrics()
        self.assertEqual(self.wrong, 0)
        self.assertEqual(counted["answered"], COUNT // 4 + COUNT)
        self.assertEqual((counted["failed"], counted["queue_requests"]), (0, 0))
        print(f"{COUNT} calls, {COUNT / seconds:.0f} a second, resident {grown / 1024:+.0f} KiB")
        # Records of the newest 65,536 batches are kept; a future would be more than 1 KiB.
        self.assertLess(grown, (8 << 20) + 16 * COUNT)


if __name__ == "__main__":
    unittest.main()
