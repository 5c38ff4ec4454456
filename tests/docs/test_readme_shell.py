# SPDX-License-Identifier: Apache-2.0
"""The commands that README.md prints, as printed there: in bash, with the program that was built,
one block after the other, the path from a checkout and all others from an empty folder."""

import os
import re
import shlex
import subprocess
import tempfile
import unittest

SOURCE = os.environ["TESSERA_SOURCE_DIR"]
PROGRAM = os.environ["TESSERA"]
#: They build and test the checkout, which is what runs this.
SCRIPTS = ("scripts/demo", "scripts/test")


def blocks():
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        return re.findall(r"^```sh\n(.*?)^```$", file.read(), re.DOTALL | re.MULTILINE)


def names_of(block):
    """First words of the lines, those that go on with the line before left out."""
    joined = block.replace("\\\n", " ").splitlines()
    return [line.split()[0] for line in joined if line.strip()]


class Readme(unittest.TestCase):
    def test_the_first_block_names_scripts_that_are_there(self):
        self.assertEqual(tuple(names_of(blocks()[0])), SCRIPTS)
        for script in SCRIPTS:
            self.assertTrue(os.access(os.path.join(SOURCE, script), os.X_OK), script)

    def test_every_other_block_runs_from_an_empty_folder(self):
        path, *others = blocks()[1:]
        self.assertIn("export PATH=", path)
        self.assertGreater(sum(names_of(block).count("tessera") for block in others), 10)
        with tempfile.TemporaryDirectory() as folder:
            checkout, empty = os.path.join(folder, "checkout"), os.path.join(folder, "empty")
            os.makedirs(os.path.join(checkout, "build", "release"))
            os.mkdir(empty)
            os.symlink(os.path.dirname(PROGRAM), os.path.join(checkout, "build/release/bin"))
            script = "\n".join(
                [f"cd {shlex.quote(checkout)}", path, f"cd {shlex.quote(empty)}", *others]
            )
            done = subprocess.run(
                ["bash", "-euxo", "pipefail", "-c", script],
                check=False,
                capture_output=True,
                text=True,
            )
            if "this kernel does not give" in done.stderr:
                self.skipTest(done.stderr.splitlines()[-1])
            self.assertEqual(done.returncode, 0, done.stderr)
            answers = sorted(os.listdir(os.path.join(empty, "packed_answers", "00")))
        self.assertEqual(answers, ["end_logits.npy", "start_logits.npy"])
        self.assertIn("answered 64 of 64 requests", done.stdout)


if __name__ == "__main__":
    unittest.main()
