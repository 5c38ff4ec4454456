# SPDX-License-Identifier: Apache-2.0
import os
import threading
import unittest

import numpy as np

import tessera
import tiny


class Runner(unittest.TestCase):
    def test_runs_what_compile_gave_and_what_a_file_holds(self):
        made = tessera.compile(tiny.model(), input_shape=tiny.SHAPE)
        with tessera.ModelRunner(made) as one, tessera.ModelRunner(tiny.popef()) as other:
            np.testing.assert_array_equal(
                one.run(tiny.batch())["start_logits"], other.run(tiny.batch())["start_logits"]
            )
            self.assertEqual(one.inputs, made.inputs)
            self.assertEqual(other.executable.cycles, made.cycles)
            self.assertGreater(one.load_seconds, 0)
        self.assertTrue(one.closed)

    def test_isolated_tiles_and_any_number_of_threads_give_the_same_bits(self):
        with tessera.ModelRunner(tiny.popef(), threads=1) as one:
            expected = one.run(tiny.batch())
        for options in ({"threads": 3}, {"isolated": True}):
            with tessera.ModelRunner(tiny.popef(), **options) as runner:
                np.testing.assert_array_equal(
                    runner.run(tiny.batch())["end_logits"], expected["end_logits"]
                )

    def test_gives_what_the_command_line_gives(self):
        inputs, outputs = tiny.path("in"), tiny.path("out")
        os.makedirs(inputs, exist_ok=True)
        for name, array in tiny.batch(9).items():
            np.save(os.path.join(inputs, name + ".npy"), array)
        tiny.command_line("run", tiny.popef(), "--inputs", inputs, "--outputs", outputs)
        with tessera.ModelRunner(tiny.popef()) as runner:
            answers = runner.run(tiny.batch(9))
        for name, array in answers.items():
            np.testing.assert_array_equal(np.load(os.path.join(outputs, name + ".npy")), array)

    def test_options_are_checked(self):
        with self.assertRaisesRegex(tessera.UsageError, "threads: -1, must be 0"):
            tessera.ModelRunner(tiny.popef(), threads=-1)
        with self.assertRaises(TypeError):
            tessera.ModelRunner(tiny.popef(), thread=1)
        with self.assertRaisesRegex(tessera.Error, "nothere.popef"):
            tessera.ModelRunner(tiny.path("nothere.popef"))

    def test_eight_threads_get_their_own_answers(self):
        with tessera.ModelRunner(tiny.popef()) as runner:
            expected = [runner.run(tiny.batch(i))["start_logits"] for i in range(8)]
            wrong = []

            def use(i):
                for _ in range(20):
                    if not np.array_equal(runner.run(tiny.batch(i))["start_logits"], expected[i]):
                        wrong.append(i)

            threads = [threading.Thread(target=use, args=(i,)) for i in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(wrong, [])


if __name__ == "__main__":
    unittest.main()
