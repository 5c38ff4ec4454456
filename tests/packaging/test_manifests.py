# SPDX-License-Identifier: Apache-2.0
"""The files of packaging/ are true of `tessera serve`: flags that it has, ports that it listens
at, probes that it answers, and more time to stop than it needs."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request

try:
    import manifests
except ImportError as error:
    raise SystemExit(f"left out: needs python3-yaml ({error})") from None

TESSERA = os.environ["TESSERA"]
DESCRIPTION = pathlib.Path(__file__).parents[2] / "docs" / "schemas" / "openapi.json"


def help_text():
    words = [TESSERA, "serve", "--help"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def known_flags():
    return set(re.findall(r"--[a-z_]+", help_text()))


def linked_packages(program):
    """Debian's packages with the libraries that a program names; the C library's and GCC's are
    everywhere."""
    words = ["readelf", "-d", program]
    dynamic = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    needed = re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", dynamic)
    linked = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    paths = dict(re.findall(r"(\S+) => (\S+)", linked))
    packages = set()
    for name in needed:
        path = os.path.realpath(paths.get(name, name))
        for spelled in (path, path.removeprefix("/usr")):
            words = ["dpkg-query", "-S", spelled]
            found = subprocess.run(words, check=False, capture_output=True, text=True)
            packages.update(line.split(":")[0] for line in found.stdout.splitlines())
    return packages - {"libc6", "libgcc-s1", "libstdc++6"}


def dependencies(packages):
    """The packages that apt installs with them, itself."""
    words = ["dpkg-query", "-W", "-f", "${Depends}, ", *packages]
    listed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    return {one.split()[0].split(":")[0] for one in listed.split(",") if one.strip()}


class Words(unittest.TestCase):
    def test_every_flag_is_one_of_the_server(self):
        known = known_flags()
        self.assertIn("--http_port", known)
        unit, _ = manifests.words_of_unit()
        said = {
            "tessera.service": unit[2:],
            "Containerfile": manifests.words_of_container()[2:],
            **{file: pod["containers"][0]["args"] for file, (pod, _) in manifests.pods().items()},
        }
        for file, words in said.items():
            flags = manifests.flags_of(words)
            self.assertTrue(flags, file)
            self.assertEqual(set(flags) - known, set(), file)

    def test_containers_have_the_entry_point_that_the_flags_are_for(self):
        self.assertEqual(manifests.words_of_container()[:2], ["/usr/bin/tessera", "serve"])

    @unittest.skipUnless(shutil.which("dpkg-query"), "dpkg is not installed")
    def test_the_container_has_the_libraries_of_the_program_and_no_others(self):
        listed, linked = manifests.packages_of_container(), linked_packages(TESSERA)
        self.assertEqual(listed - linked, set())
        self.assertEqual(linked - listed - dependencies(listed), set())

    def test_ports_and_probes_are_those_of_the_flags(self):
        for file, (pod, _) in manifests.pods().items():
            (container,) = pod["containers"]
            flags = manifests.flags_of(container["args"])
            ports = {port.get("name", ""): port["containerPort"] for port in container["ports"]}
            served = {int(flags["--http_port"]), int(flags["--grpc_port"])} - {-1}
            self.assertEqual(set(ports.values()), served, file)
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                port = container[probe]["httpGet"]["port"]
                self.assertEqual(ports.get(port, port), int(flags["--http_port"]), (file, probe))

    def test_a_stop_is_given_more_time_than_it_takes(self):
        for file, (pod, grace) in manifests.pods().items():
            (container,) = pod["containers"]
            drain = int(manifests.flags_of(container["args"])["--drain_seconds"])
            _, before = container["lifecycle"]["preStop"]["exec"]["command"]
            self.assertGreaterEqual(grace, int(before) + drain + 5, file)
        _, unit = manifests.words_of_unit()
        usual = int(re.search(r"--drain_seconds arg \(=(\d+)\)", help_text())[1])
        allowed = int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1])
        self.assertGreaterEqual(allowed, usual + 5)

    def test_a_server_has_a_thread_for_each_core_that_it_is_given(self):
        for file, (pod, _) in manifests.pods().items():
            (container,) = pod["containers"]
            for kind in ("requests", "limits"):
                cores = container["resources"][kind]["cpu"]
                self.assertEqual(manifests.flags_of(container["args"])["--threads"], cores, file)

    def test_what_is_mounted_is_there_and_the_files_name_each_other(self):
        for file, (pod, _) in manifests.pods().items():
            volumes = {volume["name"] for volume in pod["volumes"]}
            mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
            self.assertEqual(volumes, mounts, file)
        deployment, service, budget = manifests.documents("deployment.yaml")
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        self.assertEqual(deployment["spec"]["selector"]["matchLabels"], labels)
        self.assertEqual(service["spec"]["selector"], labels)
        self.assertEqual(budget["spec"]["selector"]["matchLabels"], labels)
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        names = {port["name"] for port in container["ports"]}
        self.assertEqual({port["targetPort"] for port in service["spec"]["ports"]}, names)
        (runtime,) = manifests.documents("serving_runtime.yaml")
        (served,) = manifests.documents("inference_service.yaml")
        model = served["spec"]["predictor"]["model"]
        self.assertEqual(model["runtime"], runtime["metadata"]["name"])
        formats = {one["name"] for one in runtime["spec"]["supportedModelFormats"]}
        self.assertIn(model["modelFormat"]["name"], formats)
        self.assertIn(model["protocolVersion"], runtime["spec"]["protocolVersions"])


class Started(unittest.TestCase):
    """The server, started with the very words of the files, but other folders and free ports."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        model = cls.folder / "tiny.onnx"
        cls.models = cls.folder / "models"
        executable = cls.models / "bert" / "1" / "model.popef"
        executable.parent.mkdir(parents=True)
        subprocess.run([TESSERA, "make-model", "--preset", "tiny", "-o", model], check=True)
        words = f"compile --input_model {model} --input_shape input_ids=4,16 --target test"
        words += f" --passes insert_attention_mask -o {executable}"
        subprocess.run([TESSERA, *words.split()], check=True)

    def words(self, args, one_model):
        named = f"bert={self.models}/bert/1/model.popef"
        moved = {
            "--models": named if one_model else None,
            "--model_folder": str(self.models),
            "--http_port": "0",
            "--grpc_port": "0" if manifests.flags_of(args)["--grpc_port"] != "-1" else "-1",
        }
        flags = {**manifests.flags_of(args), "--host": "127.0.0.1"}
        return [f"{name}={moved.get(name) or value}" for name, value in flags.items()]

    def test_it_answers_the_probes_and_stops_when_it_is_told(self):
        for file, (pod, grace) in manifests.pods().items():
            (container,) = pod["containers"]
            one_model = file == "serving_runtime.yaml"
            words = [TESSERA, "serve", *self.words(container["args"], one_model)]
            server = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
            try:
                self.check(server, container, grace)
            finally:
                if server.poll() is None:
                    server.kill()
                server.wait()
                server.stdout.close()

    def test_every_page_of_the_published_description_is_there(self):
        words = [TESSERA, "serve", f"--model_folder={self.models}", "--http_port=0"]
        server = subprocess.Popen(
            [*words, "--grpc_port=-1", "--allow_model_control"], stdout=subprocess.PIPE, text=True
        )
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        port = self.port_of(server)
        with open(DESCRIPTION, encoding="utf-8") as file:
            described = json.load(file)
        tensor = {"name": "input_ids", "shape": [1, 3], "datatype": "INT64", "data": [5, 6, 7]}
        call = json.dumps({"inputs": [tensor]}).encode()
        pages = 0
        for path, methods in described["paths"].items():
            target = path.replace("{model}", "bert").replace("{version}", "1")
            for method in methods:
                body = None if method == "get" else call if "infer" in path else b"{}"
                self.assertEqual(self.status(port, target, body), 200, (method, path))
                pages += 1
        self.assertEqual(pages, 16)

    def port_of(self, server):
        for line in server.stdout:
            if found := re.match(r"listening at \S+ port (\d+) \(REST\)", line):
                return int(found[1])
        raise AssertionError("the server has ended")

    def check(self, server, container, grace):
        port = self.port_of(server)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            path = container[probe]["httpGet"]["path"]
            self.assertEqual(self.status(port, path), 200, probe)
        tensor = {"name": "input_ids", "shape": [1, 3], "datatype": "INT64", "data": [5, 6, 7]}
        body = json.dumps({"inputs": [tensor]}).encode()
        self.assertEqual(self.status(port, "/v2/models/bert/infer", body), 200)
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(timeout=grace), 0)
        self.assertLess(time.monotonic() - begun, grace)

    def status(self, port, path, body=None):
        with contextlib.suppress(urllib.error.HTTPError):
            address = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(address, data=body, timeout=30) as answer:
                return answer.status
        return None


if __name__ == "__main__":
    unittest.main()
