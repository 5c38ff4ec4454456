# SPDX-License-Identifier: Apache-2.0
"""The shell of PopRT's users, and the sizes of the packing chapter."""

import os
import subprocess
import sys

import poprt_compat.install

PRESET = os.environ.get("TESSERA_PRESET", "tiny")
# batch, sequence, requests in a batch, vocabulary, batches' worth of requests
ROWS, LENGTH, MOST, VOCABULARY, ITERATIONS = (
    (4, 64, 10, 100, 3) if PRESET == "tiny" else (16, 256, 40, 30522, 2)
)
AS_POPRT = {
    **os.environ,
    "PYTHONPATH": poprt_compat.install.FOLDER + ":" + os.environ["PYTHONPATH"],
}


def poprt(*words, cwd=None, check=True):
    """python -m poprt.cli, as a shell has it after `eval "$(python3 -m poprt_compat --shell)"`."""
    done = subprocess.run(
        [sys.executable, "-m", "poprt.cli", *words],
        env=AS_POPRT,
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    if check and done.returncode:
        raise AssertionError(done.stderr)
    return done
