# SPDX-License-Identifier: Apache-2.0
import contextlib
import logging
import os
import unittest

import numpy as np

import tessera
import tiny


def batch(rows, length):
    return {
        name: np.ones((rows, length), np.int32)
        for name in ("input_ids", "attention_mask", "token_type_ids")
    }


class Session(unittest.TestCase):
    def test_compiles_for_each_shape_and_says_why(self):
        events = tiny.path("events.jsonl")
        with tessera.Session(
            tiny.model(), events=events, precision="fp16", on_recompile="allow"
        ) as session:
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
        session = tessera.Session(tiny.model(), on_recompile="allow")
        with session, tessera.ModelRunner(tiny.popef()) as runner:
            np.testing.assert_array_equal(
                session.run(tiny.batch())["start_logits"], runner.run(tiny.batch())["start_logits"]
            )

    def test_what_is_wrong_is_said(self):
        with self.assertRaisesRegex(tessera.Error, "nothere.onnx"):
            tessera.Session(tiny.path("nothere.onnx"))
        session = tessera.Session(tiny.model(), on_recompile="allow")
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


@contextlib.contextmanager
def told():
    """The lines that the logger gets meanwhile."""
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logging.getLogger("tessera").addHandler(handler)
    yield lines
    logging.getLogger("tessera").removeHandler(handler)


def actions(session):
    return [e["policy"]["action"] for e in session.recompiles() if e["kind"] != "closed"]


class Options(unittest.TestCase):
    """Each option of tessera.SessionOptions."""

    def open(self, **options):
        session = tessera.Session(tiny.model(), **{"on_recompile": "allow", **options})
        self.addCleanup(session.close)
        return session

    def test_warn_tells_the_logger(self):
        session = self.open(on_recompile="warn")
        with told() as lines:
            session.run(batch(2, 16))
            session.run(batch(2, 24))
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[1], r"^recompile #1 tiny.onnx .* 16 -> 24")
        with told() as lines:
            session.run(batch(2, 24))
            quiet = self.open()
            quiet.run(batch(2, 16))
            quiet.run(batch(2, 24))
        self.assertEqual(lines, [])

    def test_pad_gives_the_shapes_that_were_asked_for(self):
        with self.assertLogs("tessera", "WARNING"):
            session = self.open(on_recompile="pad", warm_up=[{"input_ids": (4, 32)}])
        exact = self.open()
        inputs = batch(3, 20)
        inputs["input_ids"] = np.random.default_rng(1).integers(0, 100, (3, 20))  # int64
        with self.assertLogs("tessera", "WARNING"):
            padded = session.run(inputs)
        self.assertEqual(actions(session), ["compiled", "padded_to"])
        for name, expected in exact.run(inputs).items():
            self.assertEqual(padded[name].shape, (3, 20))
            np.testing.assert_allclose(padded[name], expected, atol=1e-5)

        outputs = {"end_logits": np.zeros((3, 20), np.float32)}
        self.assertIs(session.run(inputs, outputs)["end_logits"], outputs["end_logits"])
        np.testing.assert_array_equal(outputs["end_logits"], padded["end_logits"])
        for name, array, words in (
            ("end_logits", np.zeros((4, 32), np.float32), "end_logits: "),
            ("end_logits", np.zeros((3, 20), np.int32), "end_logits: "),
            ("logits", np.zeros((3, 20), np.float32), "logits: is not an output of this model"),
        ):
            with self.assertRaisesRegex(tessera.Error, words):
                session.run(inputs, {name: array})

    def test_fail_refuses(self):
        session = self.open(on_recompile="fail")
        with self.assertLogs("tessera", "WARNING"):
            session.run(batch(2, 16))
            with self.assertRaisesRegex(tessera.RefusedError, "16 -> 24"):
                session.run(batch(2, 24))
        self.assertEqual(actions(session), ["compiled", "rejected"])
        self.assertIn("tessera_refused_total", session.metrics())

    def test_a_limit_refuses(self):
        session = self.open(recompile_limit=1)
        session.run(batch(2, 16))
        session.run(batch(2, 24))
        with self.assertRaises(tessera.RefusedError):
            session.run(batch(2, 28))
        self.assertEqual(session.recompiles()[-1]["causes"][0], "limit")
        self.assertEqual(session.recompiles()[-1]["policy"]["budget"], 1)

    def test_the_background_compiles_what_was_padded(self):
        with self.assertLogs("tessera", "WARNING"):
            session = self.open(
                on_recompile="pad", background=True, warm_up=[{"input_ids": (4, 32)}]
            )
            session.run(batch(2, 16))
            session.finish_background()
        self.assertEqual(actions(session), ["compiled", "padded_to", "compiled"])
        with told() as lines:
            session.run(batch(2, 16))
        self.assertEqual(lines, [])

    def test_a_cache_folder_spares_the_compile(self):
        folder = tiny.path("cache")
        for action in ("compiled", "loaded"):
            session = self.open(cache_dir=folder, call_site="a test", memory_entries=1)
            session.run(batch(2, 16))
            self.assertEqual(actions(session), [action])
            self.assertEqual(session.recompiles()[0]["impact"]["call_site"], "a test")
            self.assertEqual(session.recompiles()[0]["cache"]["path"], folder)
        session.run(batch(2, 24))  # one entry is kept in memory
        self.assertIn("evicted", [e["kind"] for e in session.recompiles()])

    def test_a_cache_folder_of_the_environment(self):
        folder = tiny.path("cache-of-environment")
        os.environ["TESSERA_CACHE_DIR"] = folder
        self.addCleanup(os.environ.pop, "TESSERA_CACHE_DIR")
        session = self.open()
        session.run(batch(2, 16))
        self.assertEqual(session.recompiles()[0]["cache"]["path"], folder)
        without = self.open(cache_dir="")
        without.run(batch(2, 16))
        self.assertEqual(without.recompiles()[0]["cache"]["path"], "")

    def test_a_folder_that_others_can_write_to_is_refused(self):
        folder = tiny.path("open-to-all")
        os.mkdir(folder)
        os.chmod(folder, 0o777)
        with self.assertRaisesRegex(tessera.BadFileError, "open-to-all"):
            self.open(cache_dir=folder)

    def test_compile_options_are_the_sessions_too(self):
        session = self.open(target="c600,tiles=736", precision="fp16")
        session.run(batch(2, 16))
        self.assertIn("tiles=736", session.recompiles()[0]["target"])

    def test_what_is_no_option_is_refused(self):
        for options, words in (
            (
                {"on_recompil": "pad"},
                "'on_recompil' is not an option; did you mean 'on_recompile'?",
            ),
            ({"precison": "fp16"}, "'precison' is not an option; did you mean 'precision'?"),
            ({"on_recompile": "ask"}, "on_recompile: 'ask', must be allow, warn, pad or fail"),
            ({"background": True}, "background: needs on_recompile='pad'"),
            ({"background": 1}, "background: is a int, must be True or False"),
            ({"recompile_limit": -1}, "recompile_limit: '-1', must be a whole number of at least"),
            ({"warm_up": {"input_ids": (1, 2)}}, "warm_up: is a dict, must be a list of dicts"),
            ({"warm_up": [{"input_ids": (1, 0)}]}, "warm_up input_ids: '0', must be a positive"),
            ({"memory_entries": 0}, "memory_entries: '0', must be a positive whole number"),
            ({"cache_limit_bytes": "16G"}, "cache_limit_bytes: is a str, must be a whole number"),
            ({"call_site": 3}, "call_site: is a int, must be a str"),
        ):
            with self.assertRaises(tessera.UsageError) as caught:
                self.open(**options)
            self.assertIn(words, str(caught.exception))


if __name__ == "__main__":
    unittest.main()
