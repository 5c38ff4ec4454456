# SPDX-License-Identifier: Apache-2.0
"""poprt_exec poprt_run_popef: runs an executable on random values and prints its throughput."""

import argparse
import concurrent.futures
import sys
import time
from collections.abc import Sequence
from typing import Optional

import numpy as np

import tessera
from poprt_compat.cli import random_feed
from poprt_compat.warn import exit_code, no_meaning

RUNNERS = ("modelRunner", "packRunner", "lightRunner", "hostConcatRunner")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="poprt_exec poprt_run_popef",
        allow_abbrev=False,
        description="Runs a .popef file on random values.",
    )
    add = parser.add_argument
    add("--popef", required=True)
    add("--runner", choices=RUNNERS, default="modelRunner")
    add("--iteration", type=int, default=100, help="batches, or requests of each thread")
    add("--numThreads", type=int, default=1)
    add("--index", type=int, help=argparse.SUPPRESS)
    add("--batchSize", type=int, help=argparse.SUPPRESS)
    add("--maxValidNum", type=int, default=0)
    add("--packTimeout", type=int, default=0, help="microseconds")
    add("--dynamicInputName", default="")
    add("--maskName", default="")
    return parser


def drive(threads: int, iterations: int, one: object) -> float:
    def loop(number: int) -> None:
        for i in range(iterations):
            one(number * iterations + i)  # type: ignore[operator]

    start = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        list(pool.map(loop, range(threads)))
    return time.perf_counter() - start


def run(words: Sequence[str]) -> None:
    if not words or words[0] != "poprt_run_popef":
        raise tessera.UsageError("poprt_exec: must be: poprt_exec poprt_run_popef --popef FILE")
    args = make_parser().parse_args(words[1:])
    if args.iteration < 1 or args.numThreads < 1:
        raise tessera.UsageError("--iteration and --numThreads: must be at least 1")
    if args.runner in ("lightRunner", "hostConcatRunner"):
        no_meaning(f"--runner {args.runner}", "batches go through the ModelRunner")
    for name in ("index", "batchSize"):
        if getattr(args, name) is not None:
            no_meaning("--" + name)
    executable = tessera.load(args.popef)
    if args.runner == "packRunner":
        from poprt_compat.runtime import PackRunner, PackRunnerConfig

        runner = PackRunner(
            executable,
            PackRunnerConfig(
                timeout_microseconds=args.packTimeout,
                max_valid_num=args.maxValidNum,
                dynamic_input_name=args.dynamicInputName,
                mask_name=args.maskName,
            ),
        )
        packing = executable.packing
        names = packing.token_inputs if packing else ("input_ids",)
        longest = packing.segment_max_size if packing else executable.inputs[0].shape[1]
        limits = {t.name: t.index_limit or 2 for t in executable.inputs}
        lengths = np.random.default_rng(2023).integers(
            1, longest + 1, args.iteration * args.numThreads
        )

        def one(i: int) -> None:
            length = int(lengths[i])
            request = {n: np.full(length, i % limits[n], np.int32) for n in names}
            outputs = {
                t.name: np.zeros(int(np.prod(t.shape[1:])), t.dtype) for t in executable.outputs
            }
            runner.execute(request, outputs)

        done = args.iteration * args.numThreads
    else:
        batches = tessera.ModelRunner(executable)
        feed = random_feed(executable)
        done = args.iteration * args.numThreads * executable.inputs[0].shape[0]

        def one(i: int) -> None:
            batches.run(feed)

    seconds = drive(args.numThreads, args.iteration, one)
    print(
        f"Throughput: {done / seconds:.4f} samples/s, Latency: {seconds / done * 1e3:.4f} ms (host)"
    )


def main(words: Optional[Sequence[str]] = None) -> int:
    return exit_code("poprt_exec", run, words)


if __name__ == "__main__":
    sys.exit(main())
