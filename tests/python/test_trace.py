# SPDX-License-Identifier: Apache-2.0
import unittest

import numpy as np

import tessera
import tiny


def written(*words):
    """The bytes that the command line writes."""
    tiny.command_line("trace", *words, "-o", tiny.path("by_command.pftrace"))
    with open(tiny.path("by_command.pftrace"), "rb") as file:
        return file.read()


class Traces(unittest.TestCase):
    def test_of_an_executable_are_the_command_lines(self):
        expected = written(tiny.popef())
        self.assertEqual(tessera.trace(tiny.popef()).content, expected)
        trace = tessera.trace(tessera.load(tiny.popef()))
        self.assertEqual(trace.content, expected)
        self.assertGreater(trace.events, 50)
        self.assertIn(str(trace.events), repr(trace))
        trace.save(tiny.path("saved.pftrace"))
        with open(tiny.path("saved.pftrace"), "rb") as file:
            self.assertEqual(file.read(), expected)

    def test_of_a_run_and_of_events_are_the_command_lines(self):
        record, log = tiny.path("traced_run.jsonl"), tiny.path("traced_events.jsonl")
        tiny.command_line(
            "bench", "--online", "--virtual", "--batch_microseconds", "900", "--rate", "2e4",
            "--requests", "100", "--record", record,
        )  # fmt: skip
        with tessera.Session(tiny.model(), on_recompile="allow", events=log) as session:
            names = ("input_ids", "attention_mask", "token_type_ids")
            session.run(dict.fromkeys(names, np.ones((2, 16), np.int32)))
            events = session.recompiles()
        expected = written("--record", record, "--events", log)
        self.assertEqual(tessera.trace(record=record, events=log).content, expected)
        self.assertGreater(tessera.trace(events=events).events, 2)

    def test_of_nothing_are_refused(self):
        with self.assertRaisesRegex(tessera.UsageError, "nothing to show"):
            tessera.trace()
        with self.assertRaisesRegex(tessera.UsageError, "must be left out"):
            tessera.trace(record="run.jsonl", require_signature="key.pub")
        with self.assertRaises(FileNotFoundError):
            tessera.trace(record=tiny.path("none.jsonl"))


if __name__ == "__main__":
    unittest.main()
