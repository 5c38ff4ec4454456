# SPDX-License-Identifier: Apache-2.0
"""Hostile models, and a host that gives too little, do not end an interpreter."""

import os
import subprocess
import sys
import textwrap
import unittest

import tessera
import tiny


def run(script):
    head = f"""
import os, resource, sys
import numpy as np
import tessera, tiny
popef, model, batch = {tiny.popef()!r}, {tiny.model()!r}, tiny.batch
packed = {tiny.popef("fp32", "A")!r}
def limit(bytes):
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + bytes, used + bytes))
"""
    environment = dict(os.environ, TESSERA_OBJECT_CACHE="")
    return subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=300,
        env=environment,
    )


class Hostile(unittest.TestCase):
    def good(self, script, printed):
        done = run(script)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn(printed, done.stdout)

    def test_memory_that_cannot_be_had_is_an_exception(self):
        if "asan" in os.environ.get("LD_PRELOAD", "") or "tsan" in os.environ.get("LD_PRELOAD", ""):
            self.skipTest("under a sanitizer memory cannot be limited")
        self.good(
            """
            seen = set()
            for mib in range(1, 120, 7):
                if os.fork() == 0:
                    limit(mib << 20)
                    try:
                        runner = tessera.ModelRunner(popef, threads=2)
                        runner.run(batch())
                    except tessera.Error as error:
                        os._exit(10 if isinstance(error, MemoryError) else 11)
                    os._exit(12)
                status = os.wait()[1]
                assert os.WIFEXITED(status), (mib, status)
                seen.add(os.WEXITSTATUS(status))
            assert seen <= {10, 11, 12} and 10 in seen, seen
            print("survived")
            """,
            "survived",
        )

    def test_threads_that_no_host_has_are_a_usage_error(self):
        with self.assertRaisesRegex(tessera.UsageError, "threads: 100000, must be 0 .* to 4096"):
            tessera.ModelRunner(tiny.popef(), threads=100000)

    def test_host_memory_is_an_error_of_ours_and_of_pythons(self):
        self.assertTrue(issubclass(tessera.HostMemoryError, tessera.Error))
        self.assertTrue(issubclass(tessera.HostMemoryError, MemoryError))

    def test_a_path_that_is_not_utf8_is_named_in_the_exception(self):
        with self.assertRaisesRegex(tessera.Error, "No such file"):
            tessera.compile(os.fsdecode(b"/no/such/\xff.onnx"), tiny.path("x.popef"))


if __name__ == "__main__":
    unittest.main()
