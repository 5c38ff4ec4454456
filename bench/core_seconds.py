#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures a core of this host by the processor time of tessera.PackedModel on one thread, which
other work on the host disturbs less than the clock on the wall. docs/scale.md plans with it.

    bench/core_seconds.py packed.popef lengths.csv [--rows 2000]"""

import argparse
import resource
import time

import numpy as np

import tessera
from tessera import lengths, requests


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("executable")
    parser.add_argument("lengths", help="a file that tessera pack reads")
    parser.add_argument("--rows", type=int, default=2000)
    words = parser.parse_args()
    taken = lengths.drawn(lengths.read_histogram(words.lengths), words.rows, 1)
    made = requests.of_lengths(words.executable, taken)
    begin = time.process_time()
    model = tessera.PackedModel(words.executable)
    loaded = time.process_time() - begin
    block = {}
    for name in made[0]:
        block[name] = np.empty(len(made), object)
        for row, request in enumerate(made):
            block[name][row] = request[name]
    model.answer({name: column[:1] for name, column in block.items()})
    begin = time.process_time()
    _, work = model.answer(block)
    seconds = time.process_time() - begin
    print(f"load       {loaded:.1f} core-seconds")
    print(f"batches    {work.batches}, {100 * work.fill:.2f} % tokens")
    print(f"a batch    {seconds / work.batches:.3f} core-seconds")
    print(f"a core     {work.tokens / seconds:,.0f} tokens/s, {work.rows / seconds:.1f} rows/s")
    print(f"resident   {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB at most")


if __name__ == "__main__":
    main()
