# SPDX-License-Identifier: Apache-2.0
"""`tessera serve` with a tiny packed BERT, for tests with clients that others wrote."""

import os
import pathlib
import re
import signal
import subprocess
import tempfile
import unittest

import numpy as np

TESSERA = os.environ["TESSERA"]
IDS = np.array([[5, 6, 7, 8], [9, 3, 0, 0]], np.int64)
MASK = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], np.int64)


class Served(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        at = pathlib.Path(cls.folder.name)
        model, executable = at / "tiny.onnx", at / "tiny.popef"
        subprocess.run([TESSERA, "make-model", "--preset", "tiny", "-o", model], check=True)
        words = f"compile --input_model {model} --input_shape input_ids=4,16 --target test"
        words += f" --pack_args max_valid_num=12 segment_max_size=16 -o {executable}"
        subprocess.run([TESSERA, *words.split()], check=True, stdout=subprocess.DEVNULL)
        cls.server = subprocess.Popen(
            [TESSERA, "serve", f"bert={executable}", "--http_port", "0", "--grpc_port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        ports = {}
        while len(ports) < 2:
            line = cls.server.stdout.readline()
            if not line:
                raise RuntimeError("the server has ended")
            if found := re.match(r"listening at \S+ port (\d+) \((\w+)\)", line):
                ports[found[2]] = int(found[1])
        cls.http, cls.grpc = f"127.0.0.1:{ports['REST']}", f"127.0.0.1:{ports['gRPC']}"

    @classmethod
    def tearDownClass(cls):
        cls.server.send_signal(signal.SIGTERM)
        code = cls.server.wait(timeout=60)
        cls.server.stdout.close()
        cls.folder.cleanup()
        if code != 0:
            raise AssertionError(f"the server ended with {code}")
