# SPDX-License-Identifier: Apache-2.0
"""``tessera sweep``: the command. tools/verbs/sweep.cpp has its flags too, for help and slips."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, Callable

from tessera.errors import RefusedError, UsageError
from tessera.sweeps import LOAD, Sweep, sweep

__all__ = ["add_to"]

SCHEMA = "tessera-sweep/1"


def _list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _numbers(flag: str, text: str) -> list[int]:
    try:
        return [int(word) for word in _list(text)]
    except ValueError:
        raise UsageError(f"--{flag}: is '{text}', must be whole numbers: 8,16") from None


def _value(word: str) -> Any:
    """As ``tessera.compile`` has it: a number or a switch where it is one."""
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def _options(words: list[str]) -> dict[str, list[Any]]:
    options = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not _list(values):
            raise UsageError(f"--try: '{word}', must be NAME=VALUE,VALUE")
        options[name.lstrip("-")] = [_value(value) for value in _list(values)]
    return options


def add_to(verbs: Any) -> None:
    """Adds the verb to an ``argparse`` of verbs."""
    verb = verbs.add_parser(
        "sweep",
        help="compile a model at many shapes and machines, and say which to take",
        allow_abbrev=False,
    )
    verb.add_argument("model", nargs="?", metavar="MODEL.onnx")
    verb.add_argument("-i", "--input_model")
    verb.add_argument("--lengths")
    verb.add_argument("-o", "--output")
    verb.add_argument("--picture")
    verb.add_argument("--draw", type=int, default=8000)
    verb.add_argument("--seed", type=int, default=1)
    verb.add_argument("--json", action="store_true")
    verb.add_argument("--rows", default="8,16")
    verb.add_argument("--row_length", default="")
    verb.add_argument("--forms", default="none,A,B")
    verb.add_argument("--max_valid_num", default="0")
    verb.add_argument("--precision", default="fp32")
    verb.add_argument("--targets", nargs="+", default=["c600"])
    verb.add_argument("--try", nargs="+", default=[], dest="others")
    verb.add_argument("--ids", default="")
    verb.add_argument("--rate", type=float, default=0)
    verb.add_argument("--latency_ms", type=float, default=0)
    verb.add_argument("--jobs", type=int, default=0)
    verb.add_argument("--ray", nargs="?", const="auto")
    verb.add_argument("--keep_executables", action="store_true")
    verb.add_argument(
        "--progress", choices=["auto", "none", "plain", "bar", "json"], default="auto"
    )
    verb.set_defaults(run=run)


def _teller(kind: str) -> Callable[[int, int, str], None] | None:
    if kind == "none" or (kind == "auto" and not sys.stderr.isatty()):
        return None

    def tell(done: int, of: int, what: str) -> None:
        if kind == "json":
            print(
                json.dumps({"verb": "sweep", "now": what, "done": done, "of": of}), file=sys.stderr
            )
        else:
            print(f"sweep: {done} of {of}: {what}", file=sys.stderr)

    return tell


def run(words: argparse.Namespace) -> None:
    model = words.model or words.input_model
    if not model or not words.lengths:
        raise UsageError("sweep: must be MODEL.onnx --lengths FILE")
    if words.rate < 0 or words.latency_ms < 0 or words.jobs < 0:
        raise UsageError("sweep: --rate, --latency_ms and --jobs must not be negative")
    found = sweep(
        model,
        words.lengths,
        words.output,
        picture=words.picture,
        rows=_numbers("rows", words.rows),
        row_length=_numbers("row_length", words.row_length),
        forms=_list(words.forms),
        max_valid_num=_numbers("max_valid_num", words.max_valid_num),
        precision=_list(words.precision),
        targets=words.targets,
        options=_options(words.others),
        ids=words.ids,
        rate=words.rate,
        latency=words.latency_ms / 1000,
        draw=words.draw,
        seed=words.seed,
        jobs=words.jobs,
        ray=words.ray,
        keep_executables=words.keep_executables,
        progress=_teller(words.progress),
    )
    if words.json:
        print(json.dumps({"schema": SCHEMA, **found._asdict()}))
    else:
        _print(found, model, words.rate)
    if found.best is None:
        raise RefusedError("sweep: no point fits and is fast enough; see the table")


def _print(found: Sweep, model: str, rate: float) -> None:
    head = ("", "form", "rows", "length", "limit", "type", "target")
    figures = ("requests/s", "a batch", "tokens", "tile bytes", "machines" if rate else "")
    print("{:<2}{:<7}{:>5} {:>6} {:>6} {:<5} {:<12}".format(*head), end="")
    print("{:>11} {:>11} {:>9} {:>12} {:>9}".format(*figures).rstrip())
    for row in found.rows:
        mark = "*" if row["front"] else ""
        limit = row["max_valid_num"] or "-"
        print(
            f"{mark:<2}{row['form']:<7}{row['rows']:>5} {row['row_length']:>6} {limit:>6} "
            f"{row['precision']:<5} {row['target']:<12}",
            end="",
        )
        if row["failure"]:
            print(f"  {row['failure']}")
            continue
        print(
            f"{row['requests_per_second']:>11,.0f} {row['batch_ms']:>8.3f} ms "
            f"{100 * row['token_fill']:>7.2f} % {row['peak_bytes']:>12,} "
            f"{row['machines'] or '':>9} {row['options']}".rstrip()
        )
    print(
        f"\n* no other has more requests a second, a shorter batch and fewer tiles at once. "
        f"{found.compiled} of {len(found.rows)} points were compiled now."
    )
    best = found.best
    if best is None:
        return
    if rate:
        many = "machine" if best["machines"] == 1 else "machines"
        print(
            f"best for {rate:g} requests/s: {best['machines']} {many}, each at most at "
            f"{100 * LOAD:.0f} % of {best['requests_per_second']:,.0f}/s, all modelled:"
        )
    else:
        print(f"best: {best['requests_per_second']:,.0f} requests/s, modelled:")
    print(f"  tessera compile --input_model {model} {best['command']}")
