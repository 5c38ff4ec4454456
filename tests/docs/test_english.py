# SPDX-License-Identifier: Apache-2.0
"""Comments, docstrings and pages keep to the English of CONTRIBUTING.md where a search can tell."""

import ast
import re
import unittest

from test_links import FILES, PAGES, text_of, without_code

C_LIKE = (".cpp", ".h", ".def", ".js", ".proto")
SHELL_LIKE = (".py", ".cmake", "CMakeLists.txt")
#: Its rows are the help of options in tables of C++, which read "name: help".
TABLE_OF_HELP = "python/tessera/types.py"
FREE_RELATIVE = re.compile(r"(Who|Whoever|Of|What|Whatever) ")
#: "There is no X" is good English, and so is "is no longer" and "is no worse than".
IS_NO = re.compile(
    r"(?<!there )\b(is|are) no (?!longer|more|less|fewer|worse|better)[a-z]", re.IGNORECASE
)


def is_sentence_end(line):
    return re.search(r"[.:!?)]$", line) is not None


def comments_of(path):
    """The comments of a file: each a list of its lines, without their marks."""
    mark = "//" if path.endswith(C_LIKE) else "#"
    block = []
    for line in [*text_of(path).splitlines(), ""]:
        text = line.strip()
        if text.startswith(mark):
            block.append(text.lstrip(mark + ":").strip())
            continue
        if block:
            yield block
        block = []
        _, found, behind = line.partition("  " + mark + " ")
        if found:
            yield [behind]


def docstrings_of(path):
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield text.splitlines()


def paragraphs_of(page):
    """The paragraphs, list items and cells of a page; headings and bold labels may be questions."""
    text = without_code(text_of(page))
    for part in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )|\n(?=\|)|\n(?=#)", text):
        if not part.lstrip().startswith("#"):
            yield re.sub(r"^\s*(?:[-*]|\d+\.) ", "", part).strip().splitlines()


def all_texts():
    for path in FILES:
        if path.endswith(C_LIKE + SHELL_LIKE):
            yield from ((path, block) for block in comments_of(path))
        if path.endswith(".py"):
            yield from ((path, text) for text in docstrings_of(path))
    for page in PAGES:
        yield from ((page, part) for part in paragraphs_of(page))


class English(unittest.TestCase):
    def test_the_search_finds_what_it_is_for(self):
        self.assertTrue(FREE_RELATIVE.match("What nothing uses goes."))
        self.assertFalse(FREE_RELATIVE.match("Whatever_it is"))
        self.assertTrue(IS_NO.search("'--presision' is no option"))
        self.assertFalse(IS_NO.search("there is no option of that name"))
        self.assertFalse(IS_NO.search("a lock that is no longer held"))
        self.assertGreater(len(list(all_texts())), 10_000)

    def test_a_sentence_that_begins_a_line_names_its_subject(self):
        found = []
        for path, lines in all_texts():
            ends = [True, *map(is_sentence_end, lines)]
            for end, line in zip(ends, lines):
                if end and FREE_RELATIVE.match(line) and path != TABLE_OF_HELP:
                    found.append((path, line))
        self.assertEqual(found, [])

    def test_a_thing_is_not_another_and_never_is_no_other(self):
        found = []
        for path, lines in all_texts():
            text = " ".join(lines)
            found += [(path, text[: one.end() + 20][-60:]) for one in IS_NO.finditer(text)]
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
