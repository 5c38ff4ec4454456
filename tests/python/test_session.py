# SPDX-License-Identifier: Apache-2.0
import os
import unittest

import numpy as np
import tiny

import tessera


def batch(rows, length):
    return {
        name: np.ones((rows, length), np.int32)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }


class Session(unittest.TestCase):
    def test_compiles_for_each_shape_and_says_why(self):
        events = tiny.path("events.jsonl")
        with tessera.Session(tiny.model(), events=events, precision="fp16") as session:
            self.assertEqual(session.run(batch(2, 16))["start_logits"].shape, (2, 16))
            session.run(batch(2, 16))
            session.run(batch(2, 24))
            told = session.recompiles()
        self.assertEqual([e["kind"] for e in told], ["cold_compile", "recompile"])
        self.assertEqual(told[1]["diff"][0]["before"], 16)
        self.assertEqual(told[1]["diff"][0]["after"], 24)
        read = tessera.recompiles(events)
        self.assertEqual([{k: v for k, v in e.items() if k != "line"} for e in read], told)
        shown = tiny.command_line("recompiles", "list", events).stdout
        self.assertIn(read[1]["line"], shown)

    def test_gives_what_a_runner_gives(self):
        with tessera.Session(tiny.model()) as session, tessera.ModelRunner(tiny.popef()) as runner:
            np.testing.assert_array_equal(
                session.run(tiny.batch())["start_logits"], runner.run(tiny.batch())["start_logits"]
            )

    def test_what_is_wrong_is_said(self):
        with self.assertRaisesRegex(tessera.Error, "nothere.onnx"):
            tessera.Session(tiny.path("nothere.onnx"))
        session = tessera.Session(tiny.model())
        with self.assertRaises(tessera.Error):
            session.run({"input_ids": np.ones((2, 3, 4), np.int32)})
        session.close()
        with self.assertRaisesRegex(tessera.Error, "session: is closed, must be open"):
            session.run(batch(2, 16))

    def test_a_damaged_line_is_named(self):
        path = tiny.path("damaged.jsonl")
        with open(path, "w") as file:
            file.write("{}\n")
        with self.assertRaisesRegex(tessera.Error, "1"):
            tessera.recompiles(path)


if __name__ == "__main__":
    unittest.main()
