# SPDX-License-Identifier: Apache-2.0
import unittest

import tessera
import tiny


class LimitsTest(unittest.TestCase):
    def assert_refused(self, name, call):
        with self.assertRaises(tessera.RefusedError) as caught:
            call()
        self.assertEqual(caught.exception.reason, "limit")
        self.assertIn("(limits={'" + name + "': …} raises it)", str(caught.exception))
        self.assertNotIn("--limit", str(caught.exception))

    def test_everything_that_reads_a_file_takes_them(self):
        few = {"vertices": 10}
        for call in (
            lambda: tessera.load(tiny.popef(), limits=few),
            lambda: tessera.inspect(tiny.popef(), limits=few),
            lambda: tessera.ModelRunner(tiny.popef(), limits=few),
            lambda: tessera.PackRunner(tiny.popef(packing="A"), limits=few),
            lambda: tessera.compile(tiny.model(), input_shape=tiny.SHAPE, limits=few),
        ):
            self.assert_refused("vertices", call)

    def test_what_was_loaded_runs_within_them(self):
        held = tessera.load(tiny.popef())
        self.assert_refused("kernels", lambda: tessera.ModelRunner(held, limits={"kernels": 1}))
        with tessera.Session(tiny.model(), limits={"kernels": 1}) as session:
            self.assert_refused("kernels", lambda: session.run(tiny.batch()))

    def test_numbers_and_words_are_taken(self):
        enough = {"time": 60, "memory": "1GiB", "kernels": 100}
        with tessera.ModelRunner(tiny.popef(), limits=enough) as runner:
            self.assertIn("start_logits", runner.run(tiny.batch()))
        tessera.convert(
            tiny.model(), tiny.path("limited.onnx"), input_shape=tiny.SHAPE, limits=enough
        )

    def test_others_are_usage_errors_with_the_arguments_name(self):
        for limits, said in (
            ({"tim": 1}, "limits: 'tim=1', must be NAME=VALUE"),
            ({"time": 0}, "limits time: '0', must be a positive whole number"),
            ({"memory": "4XB"}, "limits memory: '4XB', must be a positive whole number of bytes"),
            ([1], "limits: is a list, must be a dict of limits by name"),
        ):
            with self.assertRaisesRegex(tessera.UsageError, said):
                tessera.load(tiny.popef(), limits=limits)


if __name__ == "__main__":
    unittest.main()
