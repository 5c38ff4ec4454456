# SPDX-License-Identifier: Apache-2.0
"""Each ctest command that a page prints runs at least one test of this build, and the names of
tests are words."""

import json
import os
import re
import shlex
import subprocess
import unittest

from test_links import PAGES, SOURCE, text_of

CTEST = os.environ["TESSERA_CTEST"]
BUILD = os.environ["TESSERA_BUILD"]
LINE = re.compile(r"`(ctest -[^`]+)`")


def printed():
    """(page, command), with words as a shell gets them: a table writes | as \\|."""
    for page in PAGES:
        for command in LINE.findall(text_of(page)):
            yield page, shlex.split(" ".join(command.replace("\\|", "|").split()))


def filter_of(preset):
    """The words of ctest that do what a test preset of CMakePresets.json does."""
    with open(os.path.join(SOURCE, "CMakePresets.json"), encoding="utf-8") as file:
        (found,) = (one for one in json.load(file)["testPresets"] if one["name"] == preset)
    words = []
    for kind, flag in (("include", "-L"), ("exclude", "-LE")):
        label = found.get("filter", {}).get(kind, {}).get("label")
        words += [flag, label] if label else []
    return words


def in_this_build(command):
    """The same command, which lists the tests of this build instead of running those of another."""
    words, rest = [CTEST, "-N", "--test-dir", BUILD], iter(command[1:])
    for word in rest:
        if word == "--test-dir":
            next(rest)
        elif word == "--preset":
            words += filter_of(next(rest))
        else:
            words.append(word)
    return words


def listed(words):
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return done.stdout


class Lines(unittest.TestCase):
    def setUp(self):
        # A program that was not built has a test of this name in place of its own.
        everything = listed([CTEST, "-N", "--test-dir", BUILD])
        if "_NOT_BUILT" in everything or "Total Tests: 0" in everything:
            self.skipTest("left out: some test programs are not built")

    def test_each_that_a_page_prints_lists_a_test(self):
        lines = list(printed())
        self.assertGreater(len(lines), 3)
        for page, command in lines:
            with self.subTest(page=page, command=" ".join(command)):
                self.assertRegex(listed(in_this_build(command)), r"Total Tests: [1-9]")

    def test_names_are_words(self):
        for name in re.findall(r"Test +#\d+: (.*)", listed([CTEST, "-N", "--test-dir", BUILD])):
            self.assertRegex(name, r"^[^ #<>]+$")


if __name__ == "__main__":
    unittest.main()
