# SPDX-License-Identifier: Apache-2.0
"""Files that a page, or a comment in the code, refers to exist; pages keep to 100 columns."""

import glob
import os
import re
import unittest

SOURCE = os.environ["TESSERA_SOURCE_DIR"]
LINK = re.compile(r"!?\[([^\]]*)\]\(([^)\s]+)\)")
QUOTED = re.compile(r'\]\(([^)\s#]+\.md)\),\s+"([^"]+)"')  # [words](path), "A heading"
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"\b((?:[A-Za-z0-9_.-]+/)+[A-Za-z0-9_*.-]+)")
FILE = re.compile(r"(?<![\w./-])([a-z0-9_]+\.(?:tile\.cpp|tile\.h|cpp|h|def|md))\b")
SKIPPED = {"build", "out", ".git", ".cache", "corpus", "shared"}
# A source in a folder, wherever that is.
SOURCE_PATH = re.compile(r"(?<![\w./:<-])((?:[a-z][a-z0-9_]*/)+[a-z0-9_]+\.(?:cpp|h|def))\b")
# Folders of PopRT's, whose names begin as ours do.
FOREIGN = {"examples/bert", "examples/packed_bert_example"}
# Names that stand for whatever the reader adds.
EXAMPLE = re.compile(r"(^|/)(foo|my_pass)\.|/NAME\b")
# PopART's, named in comments as a source.
SOURCES = {"erfx.cpp"}
# Sources of others by their path: NumPy's and the kernel's.
FOREIGN_SOURCES = {"src/mt19937/mt19937.h", "linux/landlock.h"}


def files_of_tree():
    for folder, folders, names in os.walk(SOURCE):
        folders[:] = sorted(f for f in folders if f not in SKIPPED)
        if "pyvenv.cfg" in names:  # a virtual environment, as README.md makes one
            folders.clear()
            continue
        for name in sorted(names):
            yield os.path.relpath(os.path.join(folder, name), SOURCE)


FILES = list(files_of_tree())
NAMES = {os.path.basename(path) for path in FILES}
ROOTS = {path.split("/")[0] for path in FILES if "/" in path}
PAGES = [path for path in FILES if path.endswith(".md")]
CODES = [path for path in FILES if path.endswith((".cpp", ".h", ".def", ".py", "CMakeLists.txt"))]


def text_of(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def without_code(text):
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def slugs_of(page):
    """The anchors of a page's headings, as GitHub makes them."""
    slugs = set()
    for heading in re.findall(r"^#+ (.*)$", without_code(text_of(page)), re.MULTILINE):
        words = re.sub(r"[^\w\- ]", "", heading.lower())
        slugs.add(words.replace(" ", "-"))
    return slugs


def is_there(path):
    return bool(glob.glob(os.path.join(SOURCE, path.rstrip("/"))))


def mentioned_paths(text):
    """Paths that begin with a folder of this tree."""
    for path in (found.rstrip(".") for found in PATH.findall(text)):
        if path.split("/")[0] in ROOTS and path not in FOREIGN and not EXAMPLE.search(path):
            yield path


def missing_sources(text):
    """Sources by their path that no folder of this tree has, be it from the top or from within."""
    for path in SOURCE_PATH.findall(text):
        ends = (file.endswith("/" + path) for file in FILES)
        known = path in FOREIGN_SOURCES or EXAMPLE.search(path)
        if not known and not is_there(path) and not any(ends):
            yield path


class Pages(unittest.TestCase):
    def test_the_tree_is_read(self):
        self.assertIn("docs/architecture.md", PAGES)
        self.assertIn("README.md", PAGES)

    def test_every_link_leads_somewhere(self):
        for page in PAGES:
            for words, target in LINK.findall(without_code(text_of(page))):
                if re.match(r"https?:|mailto:", target):
                    continue
                path, _, anchor = target.partition("#")
                to = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
                with self.subTest(page=page, link=target):
                    self.assertTrue(is_there(to))
                    self.assertTrue(words.strip(), "a link or picture must have words")
                    if anchor:
                        self.assertIn(anchor, slugs_of(to))

    def test_every_heading_that_a_page_quotes_is_there(self):
        quoted = [(page, *found) for page in PAGES for found in QUOTED.findall(text_of(page))]
        self.assertGreater(len(quoted), 3)
        for page, path, words in quoted:
            to = os.path.normpath(os.path.join(os.path.dirname(page), path))
            heads = re.findall(r"^#+ (.*)$", without_code(text_of(to)), re.MULTILINE)
            heads += re.findall(r"\*\*([^*]+?)\.?\*\*", text_of(to))
            with self.subTest(page=page, to=to, heading=words):
                self.assertIn(" ".join(words.split()).lower(), [head.lower() for head in heads])

    def test_every_file_that_a_page_names_is_there(self):
        for page in PAGES:
            for code in CODE.findall(without_code(text_of(page))):
                for path in mentioned_paths(code):
                    with self.subTest(page=page, path=path):
                        self.assertTrue(path.startswith("build/") or is_there(path))
                with self.subTest(page=page, code=code):
                    self.assertEqual(list(missing_sources(code)), [])

    def test_the_words_of_the_glossary_are_sorted_and_stand_once(self):
        table = text_of("docs/glossary.md").split("| word | what it means here |")[1]
        words = [line.split("|")[1].strip().lower() for line in table.splitlines()[2:]]
        self.assertGreater(len(words), 80)
        self.assertEqual(words, sorted(set(words)))

    def test_every_picture_is_on_a_page(self):
        pages = "".join(text_of(page) for page in PAGES)
        for path in FILES:
            if path.startswith("docs/pictures/") and path.endswith(".svg"):
                with self.subTest(picture=path):
                    self.assertIn(os.path.basename(path), pages)

    def test_text_keeps_to_a_hundred_columns(self):
        for page in PAGES:
            for line in without_code(text_of(page)).splitlines():
                if line.lstrip().startswith(("|", "#")) or line.startswith("    cycles = "):
                    continue
                with self.subTest(page=page):
                    self.assertLessEqual(len(line), 100, line)


# Files that need the version and cannot read it from CMakeLists.txt, each with its place there.
VERSIONS = {
    "CITATION.cff": r"^version: (.+)$",
    "docs/install.md": r"tessera-([0-9.]+)-cp",
    "packaging/kserve/deployment.yaml": r"image: tessera:(\S+)",
    "packaging/kserve/serving_runtime.yaml": r"image: tessera:(\S+)",
    "pyproject.toml": r"^version = \"(.+)\"$",
}


class Version(unittest.TestCase):
    """CMakeLists.txt has the version."""

    def test_every_copy_is_the_version(self):
        version = re.search(r"project\(Tessera VERSION (\S+)", text_of("CMakeLists.txt"))[1]
        for path, pattern in VERSIONS.items():
            with self.subTest(path=path):
                self.assertEqual(re.findall(pattern, text_of(path), re.MULTILINE), [version])


class Comments(unittest.TestCase):
    def comments(self):
        for path in CODES:
            mark = "#" if path.endswith((".py", ".txt")) else "//"
            for line in text_of(path).splitlines():
                _, found, comment = line.partition(mark)
                if found and not line.lstrip().startswith("#include"):
                    yield path, comment

    def test_every_file_that_a_comment_names_is_there(self):
        for path, comment in self.comments():
            for named in mentioned_paths(comment):
                with self.subTest(path=path, named=named):
                    self.assertTrue(is_there(named))
            with self.subTest(path=path, comment=comment):
                self.assertEqual(list(missing_sources(comment)), [])
            for name in FILE.findall(comment):
                with self.subTest(path=path, named=name):
                    self.assertTrue(name in NAMES | SOURCES or EXAMPLE.search(name))


if __name__ == "__main__":
    unittest.main()
