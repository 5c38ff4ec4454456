#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""From a log of recompiles to the input lengths to compile for.

    recompile_advice.py EVENTS.jsonl [--buckets 3] [--input input_ids] [--axis 1]

Each length that was compiled for can run in the next larger bucket. The buckets are chosen so that
the least padding is added: dynamic programming over the lengths seen. Prints what the log cost,
the buckets, and what they would have cost."""

import argparse

import tessera


def choose_buckets(lengths: list[int], count: int) -> tuple[list[int], int]:
    """The `count` bounds, the last the longest length, with the least padding in all; and that
    padding. `lengths` ascend, one entry each time that a length was compiled for."""
    total = len(lengths)
    count = min(count, len(set(lengths)))
    sums = [0]
    for length in lengths:
        sums.append(sums[-1] + length)

    def padding(begin: int, end: int) -> int:  # of lengths[begin:end] in a bucket of the longest
        return lengths[end - 1] * (end - begin) - (sums[end] - sums[begin])

    best = [[(0, 0)] + [(1 << 60, 0)] * total for _ in range(count + 1)]
    for used in range(1, count + 1):
        for end in range(1, total + 1):
            best[used][end] = min(
                (best[used - 1][begin][0] + padding(begin, end), begin) for begin in range(end)
            )
    bounds, end = [], total
    for used in range(count, 0, -1):
        bounds.append(lengths[end - 1])
        end = best[used][end][1]
    return sorted(set(bounds)), best[count][total][0]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("events")
    parser.add_argument("--buckets", type=int, default=3)
    parser.add_argument("--input", default="input_ids")
    parser.add_argument("--axis", type=int, default=1)
    args = parser.parse_args()
    if args.buckets < 1:
        parser.error("--buckets: must be at least 1")

    compiles = [
        e
        for e in tessera.recompiles(args.events)
        if e["kind"] in ("cold_compile", "recompile") and not e.get("error")
    ]
    lengths = sorted(
        e["shapes"][args.input][args.axis]
        for e in compiles
        if len(e["shapes"].get(args.input, ())) > args.axis
    )
    if not lengths:
        raise SystemExit(f"{args.events}: no compile has an axis {args.axis} of {args.input}")
    seconds = sum(e["time"]["wall_ms"] for e in compiles) / 1e3
    bounds, padding = choose_buckets(lengths, args.buckets)
    print(
        f"{len(compiles)} compiles took {seconds:.2f} s; {args.input} axis {args.axis} had "
        f"{len(set(lengths))} lengths from {lengths[0]} to {lengths[-1]}"
    )
    print(
        f"with buckets {', '.join(map(str, bounds))}: {len(bounds)} compiles, about "
        f"{seconds * len(bounds) / len(compiles):.2f} s, and "
        f"{100 * padding / (sum(lengths) + padding):.1f} % of the tokens would be padding"
    )


if __name__ == "__main__":
    main()
