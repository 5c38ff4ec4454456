# SPDX-License-Identifier: Apache-2.0
"""Forks, and interpreters that exit while something is in flight: each is a process of its own."""

import subprocess
import sys
import textwrap
import unittest

import tiny


def run(script, timeout=120):
    """Runs a script that knows `popef`, `packed`, `model`, `batch`, `request` and `tessera`."""
    head = f"""
import os, sys, threading, time
import numpy as np
import tessera, tiny
popef, model, batch = {tiny.popef()!r}, {tiny.model()!r}, tiny.batch
packed = {tiny.popef("fp32", "A")!r}
def request(i):
    return {{"input_ids": np.full(i % 30 + 1, i % 90 + 1, np.int32)}}
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
        # poprt_compat says there what the batches that ran would take.
        lines = [x for x in done.stderr.splitlines() if not x.startswith("    modelled IPU: ")]
        self.assertEqual((done.returncode, lines), (0, []), done)
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

    def test_with_requests_in_flight(self):
        """Those that wait for others too, and arrays that nobody holds any longer."""
        self.good(
            """
            runner = tessera.PackRunner(packed, timeout=600, threads=1)
            done = []
            for i in range(205):  # the last ones fill no batch
                outputs = {"end_logits": np.zeros(32, np.float32)}
                future = runner.submit(request(i), outputs)
                future.add_done_callback(lambda f: done.append(f.exception()))
                del outputs, future
            import atexit
            tessera.futures.atexit.unregister(tessera.futures._at_exit)
            atexit.register(lambda: print("answered", done.count(None)))
            atexit.register(tessera.futures._at_exit)
            """,
            "answered 205",
        )

    def test_with_daemon_threads_that_send_requests(self):
        self.good(
            """
            runner = tessera.PackRunner(packed, timeout=0.001, threads=1)
            def send():
                while True:
                    runner.submit(request(3)).result()
            threading.excepthook = lambda args: None
            for _ in range(4):
                threading.Thread(target=send, daemon=True).start()
            time.sleep(0.2)
            print("leaving")
            """,
            "leaving",
        )

    def test_with_executeAsync_in_flight(self):
        self.good("""
            import poprt_compat.install
            from poprt import runtime
            runner = runtime.PackRunner(packed, runtime.PackRunnerConfig(
                timeout_microseconds=600_000_000, max_valid_num=10))
            for i in range(205):
                runner.executeAsync(request(i), {"end_logits": np.zeros(32, np.float32)})
            """)

    def test_with_a_background_compile(self):
        self.good("""
            import logging
            logging.disable()
            session = tessera.Session(model, on_recompile="pad", background=True,
                                      warm_up=[{"input_ids": (4, 64)}])
            session.run(batch())
            """)

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
            session = tessera.Session(model, on_recompile="allow")
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

    def test_a_pack_runner_of_before_says_so(self):
        """Forked while requests wait and run: the parent answers all, the child ends cleanly."""
        self.good("""
            runner = tessera.PackRunner(packed, timeout=0.05, threads=1)
            futures = [runner.submit(request(i)) for i in range(55)]
            child = os.fork()
            if child == 0:
                for call in (runner.submit, runner.run):
                    try:
                        call(request(1))
                        os._exit(1)
                    except tessera.Error as error:
                        assert str(error).startswith("pack runner: was made before"), error
                runner.close()
                with tessera.PackRunner(packed, timeout=0.001, threads=1) as own:
                    assert own.submit(request(7)).result()["end_logits"].shape == (8,)
                del runner, futures
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0
            assert [f.result()["end_logits"].size for f in futures] == [
                i % 30 + 1 for i in range(55)]
            runner.close()
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
            session = tessera.Session(model, on_recompile="allow")
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
