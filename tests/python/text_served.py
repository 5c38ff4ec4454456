# SPDX-License-Identifier: Apache-2.0
"""`tessera text serve` of a tiny model for each task, as a process."""

import os
import signal
import subprocess
import sys
import tempfile

import httpx

import text_models

ROOT = tempfile.TemporaryDirectory(prefix="tessera-text-")
TASKS = ("embed", "rerank", "classify", "ner", "answer")


def path(name):
    return os.path.join(ROOT.name, name)


def folders():
    three = text_models.labelled(["bad", "so", "good"])
    names = text_models.labelled(text_models.LABELS)
    prompts = {"query": "How can "}
    text_models.save_sentences(path("embed"), {"pooling_mode": "mean"}, prompts=prompts)
    text_models.save(path("rerank"), "BertForSequenceClassification", num_labels=1)
    text_models.save(path("classify"), "BertForSequenceClassification", **three)
    text_models.save(path("ner"), "BertForTokenClassification", **names)
    text_models.save(path("answer"), "BertForQuestionAnswering")


class Server:
    def __init__(self, *words):
        command = [sys.executable, "-m", "tessera", "text", "serve", *words, "--port", "0"]
        command += ["--precision", "fp32", "--cache_dir", path("cache"), "--rows", "4"]
        with open(path("log"), "a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:
            if line.startswith("listening"):
                self.port = int(line.split()[-1])
                break
        else:
            with open(path("log")) as file:
                raise AssertionError(file.read())
        self.url = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, timeout=60)

    def post(self, where, content, **more):
        return self.client.post(where, json=content, **more)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.client.close()
        self.process.stdout.close()
        return code
