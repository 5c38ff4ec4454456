# SPDX-License-Identifier: Apache-2.0
"""The facts of the pictures, as the program prints them: each function asks the command line for
JSON.

Everything is of the tiny model, so that all pictures together take seconds, and nothing is a time
of the host: the same source tree gives the same numbers on any machine.
"""

import json
import os
import subprocess

SHAPE = "input_ids=4,64"
TARGET = "c600,tiles=20"  # few enough tiles to see each
LENGTHS = (5, 3, 7, 2, 6, 4, 1, 3, 8, 2)  # of the requests that forms.svg packs
ROWS, ROW_LENGTH = 6, 8


class Tessera:
    """The command line, at work in one folder."""

    def __init__(self, binary, folder):
        self.binary, self.folder = os.path.abspath(binary), folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("TESSERA_")
        }
        self.environment["TESSERA_OBJECT_CACHE"] = os.path.join(folder, "objects")
        self.run("make-model", "--preset", "tiny", "-o", "tiny.onnx")

    def run(self, *arguments, codes=(0,)):
        done = subprocess.run(
            [self.binary, *arguments],
            cwd=self.folder,
            env=self.environment,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode not in codes:
            raise SystemExit(f"tessera {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def lines(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def profile(self, *view):
        """The tiny model's profile on 20 tiles (`tessera inspect --json`)."""
        if not os.path.exists(os.path.join(self.folder, "tiny.popef")):
            self.run(
                *("compile", "--input_model", "tiny.onnx", "--input_shape", SHAPE),
                *("--precision", "fp16", "--target", TARGET, "-o", "tiny.popef"),
            )
        return json.loads(self.run("inspect", "tiny.popef", "--json", *view))

    def plan(self, form):
        """The batches of LENGTHS in one form (`tessera pack -o`)."""
        with open(os.path.join(self.folder, "lengths.jsonl"), "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"length": length}) + "\n" for length in LENGTHS)
        policy = "next_fit" if form == "A" else "first_fit"
        printed = self.run(
            *("pack", "lengths.jsonl", "--form", form, "--policy", policy, "--json"),
            *("--rows", str(ROWS), "--row_length", str(ROW_LENGTH), "-o", "plan.json"),
            *(("--max_valid_num", "16") if form == "A" else ()),
        )
        plan = self.whole("plan.json")
        plan["fill"] = json.loads(printed)["policies"][0]["token_fill"]
        return plan

    def whole(self, name):
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return json.load(file)

    def record(self):
        """A run of online packing under a virtual clock (`tessera bench --online --record`)."""
        self.run(
            *("bench", "--online", "--virtual", "--rate", "3000", "--requests", "28"),
            *("--rows", "4", "--row_length", "64", "--max_seq_len", "64", "--avg_seq_len", "24"),
            *("--batch_microseconds", "2500", "--timeout_microseconds", "4000", "--seed", "7"),
            *("--json", "--record", "record.jsonl"),
        )
        return self.lines("record.jsonl")

    def events(self, *arguments, cache=True, codes=(0,)):
        """The events of one `tessera run --events` with these arguments."""
        log = os.path.join(self.folder, "events.jsonl")
        if os.path.exists(log):
            os.remove(log)
        os.makedirs(os.path.join(self.folder, "cache"), mode=0o700, exist_ok=True)
        keep = ("--cache_dir", "cache") if cache else ()
        self.run("run", "tiny.onnx", "--events", "events.jsonl", *keep, *arguments, codes=codes)
        return self.lines("events.jsonl")
