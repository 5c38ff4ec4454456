# SPDX-License-Identifier: Apache-2.0
"""Five jobs that people come with, each in at most six commands, none of which fails: serve a
model, find what makes it compile again, decide capacity, study a mapping, ship an executable. They
need nothing but an installed `tessera` and a model."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

MOST = 6


class Jobs(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.count = 0
        subprocess.run(
            ["tessera", "make-model", "--preset", "tiny", "-o", self.folder / "bert.onnx"],
            check=True,
            capture_output=True,
        )

    def counted(self):
        self.count += 1
        self.assertLessEqual(self.count, MOST, "commands of one job")

    def command(self, line, home=None):
        """The output of the command."""
        self.counted()
        env = {**os.environ, "TESSERA_PYTHON": sys.executable}
        if home is not None:
            env["HOME"] = home
        done = subprocess.run(
            line.split(), cwd=self.folder, capture_output=True, text=True, check=False, env=env
        )
        self.assertEqual(done.returncode, 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, port, page, body=None):
        """As curl does."""
        self.counted()
        data = json.dumps(body).encode() if body else None
        address = f"http://127.0.0.1:{port}/{page}"
        with urllib.request.urlopen(address, data=data, timeout=60) as answer:
            return answer.read().decode()

    def serve(self, line):
        """The server and its port, when it listens."""
        self.counted()
        server = subprocess.Popen(line.split(), cwd=self.folder, stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        for text in server.stdout:
            if found := re.match(r"listening at \S+ port (\d+) \(REST\)", text):
                return server, int(found[1])
        raise AssertionError("the server has ended")

    def test_serve_with_packing(self):
        self.command(
            "tessera compile --input_model bert.onnx --input_shape input_ids=4,32 "
            "--passes insert_attention_mask -o bert.popef"
        )
        server, port = self.serve("tessera serve qa=bert.popef --http_port 0 --grpc_port -1")
        self.ask(port, "v2/health/ready")
        tensor = {"name": "input_ids", "datatype": "INT64", "shape": [2, 3]}
        tensor["data"] = [[7, 8, 9], [3, 4, 5]]
        answer = json.loads(self.ask(port, "v2/models/qa/infer", {"inputs": [tensor]}))
        logits = {one["name"]: one["shape"] for one in answer["outputs"]}
        self.assertEqual(logits, {"start_logits": [2, 3], "end_logits": [2, 3]})
        self.assertIn("nv_inference_request_success", self.ask(port, "metrics"))
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=60), 0)

    def test_find_the_cause_of_a_recompile(self):
        self.command(
            "tessera run bert.onnx --random input_ids=4,32 input_ids=4,20 --events events.jsonl "
            "--no_cache"
        )
        listed = self.command("tessera recompiles list events.jsonl")
        self.assertIn("cause=input_shape", listed)
        self.assertIn("32 -> 20", listed)
        self.assertIn("seq", self.command("tessera recompiles show 1 events.jsonl"))
        advice = self.command("tessera recompiles advise events.jsonl")
        (advised,) = re.findall(r"--on_recompile pad.*--warm_up (input_ids=\d+,\d+)", advice)[:1]
        self.command(
            "tessera run bert.onnx --random input_ids=4,32 input_ids=4,20 --on_recompile pad "
            f"--warm_up {advised} --events after.jsonl --no_cache"
        )
        after = self.command("tessera recompiles list after.jsonl")
        self.assertIn("bucket_hit", after)
        self.assertIn("2 events, 1 compiles", after)

    def test_decide_capacity(self):
        lengths = "\n".join(f'{{"length": {8 + 7 * i % 57}}}' for i in range(400))
        (self.folder / "lengths.jsonl").write_text(lengths + "\n", encoding="utf-8")
        best = self.command(
            "tessera sweep bert.onnx --lengths lengths.jsonl --rows 4,8 --row_length 64 "
            "--rate 10000 -o sweep.csv"
        )
        self.assertTrue(best)
        rows = (self.folder / "sweep.csv").read_text(encoding="utf-8").splitlines()
        self.assertGreater(len(rows), 4)
        tuned = self.command(
            "tessera pack tune lengths.jsonl --input_model bert.onnx --try_rows 4,8 "
            "--try_row_length 64 --rate 10000"
        )
        self.assertIn("tessera compile", tuned)

    def test_study_a_mapping(self):
        self.command(
            "tessera compile --input_model bert.onnx --input_shape input_ids=4,32 -o bert.popef"
        )
        self.assertIn("%", self.command("tessera inspect bert.popef --ops"))
        steps = self.command("tessera inspect bert.popef --supersteps")
        (step,) = re.findall(r"(\S*gelu\S*)", steps)[:1]
        self.assertIn("vert", self.command(f"tessera inspect bert.popef --superstep {step}"))
        tiles = f"tessera inspect bert.popef --superstep {step} --picture tiles"
        self.assertTrue(self.command(tiles))
        self.assertIn(" on [", self.command("tessera inspect bert.popef --program"))

    def test_ship_an_executable(self):
        self.command(
            "tessera compile --input_model bert.onnx --input_shape input_ids=4,32 "
            "--label release-7 -o bert.popef"
        )
        self.command("tessera keygen --secret_key our.key --public_key our.pub --no_password")
        self.command("tessera sign bert.popef --secret_key our.key")
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()
        for name in ("bert.popef", "bert.popef.minisig", "our.pub"):
            shutil.move(self.folder / name, elsewhere / name)
        self.folder = elsewhere
        shown = self.command("tessera inspect bert.popef --require_signature our.pub")
        self.assertIn("release-7", shown)
        self.assertIn("runs on", shown)
        self.command(
            "tessera run bert.popef --random --outputs answers --require_signature our.pub",
            home="/nonexistent",
        )
        self.assertEqual(sorted(os.listdir(elsewhere / "answers")), NAMES)


NAMES = ["end_logits.npy", "start_logits.npy"]


if __name__ == "__main__":
    unittest.main()
