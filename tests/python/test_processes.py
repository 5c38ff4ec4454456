# SPDX-License-Identifier: Apache-2.0
"""Forks, and interpreters that exit while something is in flight: each is a process of its own."""

import subprocess
import sys
import textwrap
import unittest

import tiny


def run(script, timeout=120):
    """Runs a script that knows `popef`, `model`, `batch` and `tessera`."""
    head = f"""
import os, sys, threading, time
import numpy as np
import tessera, tiny
popef, model, batch = {tiny.popef()!r}, {tiny.model()!r}, tiny.batch
"""
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=timeout,
    )


class Case(unittest.TestCase):
    def good(self, script, printed=""):
        done = run(script)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertIn(printed, done.stdout)


class Exit(Case):
    def test_with_batches_in_flight(self):
        self.good(
            """
            runner = tessera.ModelRunner(popef, threads=1)
            futures = [runner.submit(batch(i)) for i in range(50)]
            print("leaving")
            """,
            "leaving",
        )

    def test_answers_what_was_in_flight(self):
        self.good(
            """
            runner = tessera.ModelRunner(popef, threads=1)
            done = []
            for i in range(50):
                runner.submit(batch(i)).add_done_callback(lambda f: done.append(f.exception()))
            import atexit
            def tell():
                print("answered", done.count(None))
            # Runs after ours: the handlers of exit run last in, first out.
            tessera.futures.atexit.unregister(tessera.futures._at_exit)
            atexit.register(tell)
            atexit.register(tessera.futures._at_exit)
            """,
            "answered 50",
        )

    def test_with_daemon_threads_that_run_and_compile(self):
        self.good(
            """
            runner = tessera.ModelRunner(popef, threads=1)
            def run():
                while True:
                    runner.run(batch())
            def compile():
                while True:
                    tessera.compile(model, input_shape=tiny.SHAPE)
            threading.excepthook = lambda args: None  # "is closed" at the end is as it should be
            for target in (run, run, compile, compile):
                threading.Thread(target=target, daemon=True).start()
            time.sleep(0.3)
            print("leaving")
            """,
            "leaving",
        )

    def test_by_an_exception(self):
        done = run("""
            runner = tessera.ModelRunner(popef, threads=1)
            futures = [runner.submit(batch(i)) for i in range(50)]
            raise KeyError("a user's mistake")
            """)
        self.assertEqual(done.returncode, 1)
        self.assertTrue(done.stderr.strip().endswith('KeyError: "a user\'s mistake"'))

    def test_with_a_session_that_is_compiling(self):
        self.good("""
            session = tessera.Session(model)
            threading.excepthook = lambda args: None
            threading.Thread(target=session.run, args=(batch(),), daemon=True).start()
            """)


class Fork(Case):
    def test_a_runner_of_before_says_so(self):
        self.good("""
            runner = tessera.ModelRunner(popef, threads=1)
            runner.run(batch())
            future = runner.submit(batch())
            child = os.fork()
            if child == 0:
                for call in (runner.run, runner.submit):
                    try:
                        call(batch())
                        os._exit(1)
                    except tessera.Error as error:
                        assert "must be made in the process that uses it" in str(error), error
                runner.close()
                del runner
                sys.exit(0)  # with all that is done at exit
            assert os.waitpid(child, 0)[1] == 0
            future.result()
            runner.run(batch())
            """)

    def test_a_child_makes_its_own(self):
        self.good("""
            runner = tessera.ModelRunner(popef, threads=1)
            expected = runner.submit(batch()).result()["start_logits"]
            in_flight = [runner.submit(batch(i)) for i in range(20)]
            child = os.fork()
            if child == 0:
                with tessera.ModelRunner(popef, threads=1) as own:
                    assert np.array_equal(own.submit(batch()).result()["start_logits"], expected)
                tessera.compile(model, input_shape=tiny.SHAPE)
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert all(f.result() for f in in_flight)
            """)

    def test_a_pool_of_processes(self):
        self.good("""
            import multiprocessing
            def work(seed):
                with tessera.ModelRunner(popef, threads=1) as own:
                    return float(own.run(batch(seed))["start_logits"].sum())
            runner = tessera.ModelRunner(popef, threads=1)
            expected = [float(runner.run(batch(i))["start_logits"].sum()) for i in range(4)]
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert pool.map(work, range(4)) == expected
            """)

    def test_a_session_of_before_says_so(self):
        self.good("""
            session = tessera.Session(model)
            session.run(batch())
            child = os.fork()
            if child == 0:
                try:
                    session.run(batch())
                except tessera.Error as error:
                    assert str(error).startswith("session: was made before"), error
                    sys.exit(0)
                os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            """)


if __name__ == "__main__":
    unittest.main()
