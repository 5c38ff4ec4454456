# SPDX-License-Identifier: Apache-2.0
"""Folders of models, for tests of text."""

import json
import os
import tempfile
import unittest


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump(content, file) if not isinstance(content, str) else file.write(content)
    return path


class InFolder(unittest.TestCase):
    def setUp(self):
        made = tempfile.TemporaryDirectory()
        self.addCleanup(made.cleanup)
        self.folder = made.name

    def model(self, **config):
        write(self.folder, "config.json", {"model_type": "bert", **config})
        write(self.folder, "tokenizer.json", {})
        return self.folder
