# SPDX-License-Identifier: Apache-2.0
"""python3 -m tessera VERB: the verbs that are written in Python. ``tessera VERB`` becomes this for
those in its own table; ``requests`` of text is here alone. All others are the program's."""

from __future__ import annotations

import argparse
import difflib
import sys
from typing import Any

from tessera import requests, sweep_command
from tessera.errors import Error
from tessera.lines import piece_of, read_rows
from tessera.text import command as text_command

DESCRIPTION = """\
Makes requests of text: a folder of NAME.npy by token each, which 'tessera run --requests',
'tessera pack' and 'tessera check' read. Text is tokenized here, by the package tokenizers (pip
install tokenizers), and cut where it is longer than the executable takes. Requests of given
lengths, or at random, are made by 'tessera requests'."""


class Parser(argparse.ArgumentParser):
    """As of all verbs: a word that is not known names the nearest, and prefixes of flags are not
    flags."""

    def __init__(self, **options: Any) -> None:
        options["allow_abbrev"] = False
        super().__init__(**options)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(one) for one in action.choices]
        nearest = difflib.get_close_matches(str(value), known, n=1, cutoff=0)[0]
        raise argparse.ArgumentError(
            action,
            f"'{value}' is not known; did you mean '{nearest}'? must be {', '.join(known)}",
        )


def parser(program: str = "python3 -m tessera") -> argparse.ArgumentParser:
    made = Parser(prog=program, description=__doc__)
    verbs = made.add_subparsers(metavar="VERB", required=True)
    add_requests(verbs)
    sweep_command.add_to(verbs)
    text_command.add_to(verbs)
    return made


def add_requests(verbs: Any) -> None:
    verb = verbs.add_parser("requests", help="make requests of text", description=DESCRIPTION)
    verb.add_argument("executable", metavar="MODEL.popef")
    verb.add_argument(
        "texts",
        metavar="TEXTS",
        help='a text a line; .jsonl: a line {"text": …} or {"text": …, "text_pair": …}; -: stdin',
    )
    verb.add_argument(
        "--tokenizer", required=True, metavar="tokenizer.json", help="the file beside the model"
    )
    verb.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="to write, new or empty"
    )
    verb.add_argument(
        "--batch",
        action="store_true",
        help="write whole batches in place of requests, a folder N for batch N",
    )
    verb.set_defaults(run=make_requests)


def make_requests(words: argparse.Namespace) -> None:
    texts = [piece_of(row) for row in read_rows(words.texts, ("text",), "text_pair")]
    if not texts:
        raise Error(f"{words.texts}: holds no text, must hold at least one line")
    made = requests.of_texts(words.executable, texts, words.tokenizer)
    tokens = sum(len(next(iter(request.values()))) for request in made)
    if words.batch:
        batches = requests.batches(words.executable, made)
        requests.write(batches, words.output)
        print(f"{words.output}: {len(made)} requests in {len(batches)} batches, {tokens} tokens")
        return
    requests.write(made, words.output)
    print(f"{words.output}: {len(made)} requests, {tokens} tokens")


def main(program: str = "python3 -m tessera") -> int:
    words = parser(program).parse_args()
    try:
        words.run(words)
    except Error as error:
        print(f"tessera: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130  # as a shell has it of a program that SIGINT ended
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"tessera: {where}{error.strerror}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
