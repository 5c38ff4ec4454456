#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""calls.py BENCH_CALLS [CALLS]: a call from Python beside one from C++, from one thread and eight.

Compiles make-model's tiny BERT for one row of 16 tokens, so that the call and not the model is
measured, and runs the program bench_calls of the build folder on it, in turns with the same loop
here."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

import tessera


def seconds_per_call(runner, threads, calls):
    def loop():
        inputs = {t.name: np.ones(t.shape, t.dtype) for t in runner.inputs}
        outputs = {t.name: np.zeros(t.shape, t.dtype) for t in runner.outputs}
        for _ in range(calls // threads):
            runner.run(inputs, outputs)

    rounds = []
    for _ in range(5):
        callers = [threading.Thread(target=loop) for _ in range(threads)]
        start = time.perf_counter()
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        rounds.append((time.perf_counter() - start) / (calls // threads * threads))
    return statistics.median(rounds)


def main():
    bench, calls = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    with tempfile.TemporaryDirectory() as folder:
        model, popef = os.path.join(folder, "m.onnx"), os.path.join(folder, "m.popef")
        subprocess.run(
            ["tessera", "make-model", "--preset", "tiny", "-o", model],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        tessera.compile(model, popef, input_shape={"input_ids": (1, 16)})
        cpp, python = [], []
        with tessera.ModelRunner(popef, threads=1) as runner:
            seconds_per_call(runner, 1, 50)
            for _ in range(3):
                done = subprocess.run([bench, popef, str(calls)], check=True, capture_output=True)
                cpp.append(json.loads(done.stdout))
                python.append(
                    (
                        seconds_per_call(runner, 1, calls) * 1e6,
                        seconds_per_call(runner, 8, calls) * 1e6,
                    )
                )
    one_cpp = statistics.median(c["one_thread_us"] for c in cpp)
    eight_cpp = statistics.median(c["eight_threads_us"] for c in cpp)
    one, eight = (statistics.median(p[i] for p in python) for i in (0, 1))
    print(
        f"one thread:    C++ {one_cpp:7.1f} us a call, Python {one:7.1f} us: "
        f"{one - one_cpp:+.1f} us"
    )
    print(
        f"eight threads: C++ {eight_cpp:7.1f} us a call, Python {eight:7.1f} us: "
        f"{eight - eight_cpp:+.1f} us"
    )
    print(
        f"eight threads make {one_cpp / eight_cpp:.2f} times the calls of one in C++, "
        f"{one / eight:.2f} in Python"
    )


if __name__ == "__main__":
    main()
