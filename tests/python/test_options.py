# SPDX-License-Identifier: Apache-2.0
"""The compiler's table of options against everything that takes options in Python. With
UPDATE_GOLDENS=1 the rows in tessera/types.py are written again."""

import os
import pathlib
import re
import textwrap
import unittest

import numpy as np

import tessera
import tiny
from poprt_compat import compiler, converter
from poprt_compat.options import ROWS
from tessera import _core, types

#: How a value of each kind is annotated, and a value that is not the default's.
KINDS = {
    "truth": ("bool", None),
    "whole": ("int", None),
    "real": ("float", None),
    "seconds": ("float", None),
    "word": ("str", None),
    "names": ("str | Sequence[str]", None),
    "shapes": ("Mapping[str, Sequence[int]]", '``{"input_ids": (16, 256)}``'),
    "fields": ("PackArgs", '``{"max_valid_num": 40, "segment_max_size": 256}``'),
    "target": ("str | Sequence[str]", None),
}
BEGIN = "    # The rows of {}, as tests/python/test_options.py writes them.\n"
COMPILER = BEGIN.format("compiler/options.def"), "    # The end of the rows.\n"
RUNNER = BEGIN.format("serving/runner_options.def"), "    # The end of the rows of the runner.\n"
#: (name, kind, default's text, help)
RUNNER_ROWS = _core.runner_option_rows()


def row_as_text(name, kind, usual, what):
    annotation, example = KINDS[kind]
    what = what[0].upper() + what[1:] + "."
    if example:
        what += f" In Python: {example}."
    elif usual and kind != "target":
        what += f" The default: {usual.capitalize() if kind == 'truth' else usual}."
    text = "".join(f"    #: {line}\n" for line in textwrap.wrap(what, 92))
    return text + f"    {name}: {annotation}\n"


class Table(unittest.TestCase):
    def check_rows(self, begin, end, rows):
        path = pathlib.Path(os.environ["TESSERA_SOURCE_DIR"], "python/tessera/types.py")
        text = path.read_text(encoding="utf-8")
        start, stop = text.index(begin) + len(begin), text.index(end)
        if os.environ.get("UPDATE_GOLDENS") == "1":
            path.write_text(text[:start] + rows + text[stop:], encoding="utf-8")
            return
        self.assertEqual(text[start:stop], rows, "UPDATE_GOLDENS=1 writes the rows")

    def test_types_have_every_row(self):
        rows = (row_as_text(row.name, row.kind, row.usual, row.help) for row in ROWS)
        self.check_rows(*COMPILER, "".join(rows))
        self.check_rows(*RUNNER, "".join(row_as_text(*row) for row in RUNNER_ROWS))

    def test_annotations_are_the_rows_and_no_more(self):
        names = {row.name for row in ROWS} | {"compiler_options", "limits", "trust_folder"}
        self.assertEqual(set(types.CompileOptions.__annotations__), names)
        self.assertEqual(set(types.RunnerOptions.__annotations__), {row[0] for row in RUNNER_ROWS})

    def test_a_pack_runner_takes_every_row(self):
        given = {
            "truth": lambda text: text != "true",
            "whole": lambda text: int(text) or 1,
            "seconds": float,
            "word": str,
        }
        others = {"max_queue_tokens": 100, "policy": "best_fit", "batch_time": "modelled"}
        options = {name: given[kind](usual) for name, kind, usual, _ in RUNNER_ROWS}
        with tessera.PackRunner(tiny.popef("fp32", "B"), threads=1, **{**options, **others}) as one:
            request = {"input_ids": np.array([3, 4, 5], np.int32)}
            self.assertEqual(one.run(request)["start_logits"].shape, (3,))

    def test_every_default_may_be_given(self):
        given = {
            "truth": lambda text: text == "true",
            "whole": int,
            "real": float,
            "word": str,
            "names": str,
            "target": lambda text: text.split(" ")[0],
            "shapes": lambda text: tiny.SHAPE,
            "fields": lambda text: None,
        }
        options = {row.name: given[row.kind](row.usual) for row in ROWS}
        made = tessera.compile(tiny.model(), **options)
        plain = tessera.compile(tiny.model(), input_shape=tiny.SHAPE)
        self.assertEqual((made.options, made.cycles), (plain.options, plain.cycles))

    def test_poprts_defaults_are_the_tables(self):
        for row in ROWS:
            if row.compiler:
                default = compiler.DEFAULTS[row.compiler]
                self.assertEqual(
                    re.sub("^(True|False)$", lambda m: m[0].lower(), str(default)), row.usual
                )

    def test_poprts_compiler_options_mean_the_tables(self):
        options = compiler.CompilerOptions(enable_fast_reduce=True, batches_per_step=3)
        meant = options.compile_options()
        self.assertEqual((meant["enable_fast_reduce"], meant["batches_per_step"]), (True, 3))
        self.assertLessEqual(set(meant), {row.name for row in ROWS})
        made = tessera.compile(tiny.model(), input_shape=tiny.SHAPE, **meant)
        self.assertIn("enable_fast_reduce true", made.options)

    def test_poprts_converter_takes_every_keyword_of_the_table(self):
        for row in ROWS:
            if row.converter:
                self.assertIn(row.converter, converter.DEFAULTS)
                converter.Converter(**{row.converter: None})


if __name__ == "__main__":
    unittest.main()
