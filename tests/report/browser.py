# SPDX-License-Identifier: Apache-2.0
"""A real Chromium, driven over the WebDriver protocol by Python's own library alone, and reports to
open in it."""

import atexit
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.request

TESSERA = os.path.abspath(os.environ["TESSERA"])
MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)]
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "ArrowLeft": "\ue012", "ArrowRight": "\ue014",
        "ArrowDown": "\ue015"}  # fmt: skip
FOLDER = tempfile.mkdtemp(prefix="tessera-report-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)


def path(name):
    return os.path.join(FOLDER, name)


def tessera(*words, code=0):
    done = subprocess.run(
        [TESSERA, *words], capture_output=True, text=True, cwd=FOLDER, check=False
    )
    assert done.returncode == code, done.stderr
    return done.stdout


def write_events(*shapes):
    """Runs tiny.onnx at these shapes and writes its events to a new events.jsonl."""
    if os.path.exists(path("events.jsonl")):
        os.remove(path("events.jsonl"))
    tessera(
        "run", "tiny.onnx", "--precision", "fp16", "--no_cache", "--events", "events.jsonl",
        "--random", *shapes,
    )  # fmt: skip


def run_online(*words):
    """Runs packed.popef online, writes the record to run.jsonl and returns the result."""
    return json.loads(
        tessera(
            "bench", "packed.popef", "--online", "--virtual", "--rate", "4000", *words,
            "--record", "run.jsonl", "--json",
        )
    )  # fmt: skip


def report_all(to):
    """Writes the report of padded.popef, against packed.popef, with the events and the record."""
    tessera(
        "report", "padded.popef", "--events", "events.jsonl", "--record", "run.jsonl",
        "--against", "packed.popef", "-o", to,
    )  # fmt: skip


class Driver:
    """A session of chromedriver: requests and answers are JSON over HTTP."""

    def __init__(self):
        self.process = subprocess.Popen(
            ["chromedriver", "--port=0"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        line = ""
        while not (found := re.search(r"started successfully on port (\d+)", line)):
            line = self.process.stdout.readline()
            assert line, "chromedriver ended"
        self.root = f"http://127.0.0.1:{found.group(1)}"
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1360,1100",
                 f"--user-data-dir={path('profile')}"]  # fmt: skip
        options = {
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": flags},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": options}})
        self.root += "/session/" + answer["sessionId"]

    def ask(self, method, where, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + where, data=data, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, file, view=""):
        self.ask("POST", "/url", {"url": "about:blank"})
        self.log("browser")
        self.log("performance")
        self.ask("POST", "/url", {"url": f"file://{path(file)}#{view}"})

    def run(self, script, *arguments):
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, *keys):
        """Keys as a reader presses them: each goes to what has the focus."""
        actions = [
            {"type": kind, "value": KEYS.get(key, key)}
            for key in keys
            for kind in ("keyDown", "keyUp")
        ]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self.ask("POST", "/actions", {"actions": [source]})
        time.sleep(0.15)

    def devtools(self, command, **parameters):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def log(self, kind):
        return self.ask("POST", "/se/log", {"type": kind})

    def requests(self):
        messages = [json.loads(entry["message"])["message"] for entry in self.log("performance")]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def close(self):
        self.ask("DELETE", "")
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


@unittest.skipIf(
    MISSING, "left out: " + " and ".join(MISSING) + " not installed, scripts/setup browser"
)
class BrowserTest(unittest.TestCase):
    """Tests that share a browser. A subclass writes its pages in `make`."""

    @classmethod
    def make(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.make()
        cls.driver = Driver()
        cls.addClassCleanup(cls.driver.close)

    def run_js(self, script, *arguments):
        return self.driver.run(script, *arguments)

    def cells(self, table, column):
        """The texts of a column of a table."""
        return self.run_js(
            "return [...document.querySelectorAll(`#table-${arguments[0]} tbody tr`)]"
            ".map((row) => row.cells[arguments[1]].textContent)",
            table,
            column,
        )

    def numbers(self, table, column):
        """A column of whole numbers."""
        return [int(text.replace(",", "")) for text in self.cells(table, column)]

    def text_of(self, selector):
        return self.run_js("return document.querySelector(arguments[0]).textContent", selector)

    def go(self, where):
        self.run_js("window.location.hash = arguments[0]", where)
        time.sleep(0.05)

    def assert_quiet(self):
        self.assertEqual([entry["message"] for entry in self.driver.log("browser")], [])
