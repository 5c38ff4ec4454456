# SPDX-License-Identifier: Apache-2.0
"""Modelled over published throughput, row by row, as it was when somebody last looked.

figures.py BENCH_FIGURES GOLDEN: fails where a ratio is off by more than the tolerance, or a row is
new or missing. With UPDATE_GOLDENS=1 it writes the golden.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

TOLERANCE = 0.002  # absolute: a fifth of a percent of the published figure


def ratios(program: str) -> dict[str, float]:
    said = subprocess.run([program, "--json"], capture_output=True, text=True, check=True).stdout
    rows = json.loads(said)["rows"]
    return {f"{row['row']}: {row['configuration']}": row["ratio"] for row in rows if "ratio" in row}


def main(program: str, golden: pathlib.Path) -> int:
    got = ratios(program)
    if os.environ.get("UPDATE_GOLDENS") == "1":
        golden.write_text("".join(f"{ratio:.4f}  {row}\n" for row, ratio in got.items()))
        return 0
    lines = [line.split("  ", 1) for line in golden.read_text().splitlines()]
    expected = {row: float(ratio) for ratio, row in lines}
    wrong = 0
    for row in sorted(expected.keys() | got.keys()):
        was, now = expected.get(row), got.get(row)
        if was is None or now is None or abs(was - now) > TOLERANCE:
            wrong += 1
            print(f"{row}: is {now}, must be {was} within {TOLERANCE}; UPDATE_GOLDENS=1 takes it")
    print(f"{len(got)} rows compared, {wrong} differ")
    return 1 if wrong or not got else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], pathlib.Path(sys.argv[2])))
