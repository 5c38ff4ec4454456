# SPDX-License-Identifier: Apache-2.0
"""A user's script under mypy --strict, against the package as it is installed."""

import os
import shutil
import subprocess
import tempfile
import unittest

import tessera

HERE = os.path.dirname(os.path.abspath(__file__))


def problems(script):
    """The complaints of mypy about a script; "" if it is content."""
    environment = {**os.environ, "MYPYPATH": os.path.dirname(os.path.dirname(tessera.__file__))}
    words = ("--strict", "--enable-incomplete-feature=Unpack", "--no-error-summary")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            ("mypy", *words, "--cache-dir", folder, script),
            capture_output=True,
            text=True,
            env=environment,
            cwd=folder,
        )
    return done.stdout + done.stderr


@unittest.skipUnless(shutil.which("mypy"), "left out: needs mypy")
class Typed(unittest.TestCase):
    def test_a_script_is_taken(self):
        self.assertEqual(problems(os.path.join(HERE, "typed_script.py")), "")

    def test_a_slip_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(folder, "slips.py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(
                    "import tessera\n"
                    "tessera.bench('a.popef', iteration=3)\n"
                    "tessera.bench('a.popef')['run']\n"
                    "tessera.pack.tune([1], 'm.onnx', precison='fp16')\n"
                )
            told = problems(script)
        for word in ("iteration", '"run"', "precison"):
            self.assertIn(word, told)


if __name__ == "__main__":
    unittest.main()
