# SPDX-License-Identifier: Apache-2.0
"""docs/models.md, of what the comparison found."""

import html
import re

from exporting.results import ALLOWED, COLUMNS, is_wrong

HEAD = """\
# Models as they are exported today

<!-- Written by scripts/exports page. Run that, and do not change this page. -->

Tiny models of random weights, one of each family, are written by each exporter and compared with
ONNX Runtime: a padded batch in fp32 and in fp16, and each request of a packed batch, in both
[forms](packing.md), with ONNX Runtime's answers to that request alone. An error is the largest
difference over the deviation of the answers; it may be {fp32:g} in fp32 and {fp16:g} in fp16.
`scripts/exports` writes the models, compares them and writes this page
([testing](testing.md#models-of-todays-exporters)). `-` is a form that a model cannot have, because
its inputs are not tokens. A number in brackets is a refusal, told below the tables. A family in
italics was compared with ONNX's own reference evaluator, because ONNX Runtime does not run the
file.
"""
TITLES = {"padded": "padded fp32", "fp16": "padded fp16", "A": "form A", "B": "form B"}
NOT_TOKENS = "its inputs are not tokens"


class Reasons:
    """Each refusal once, by number."""

    def __init__(self):
        self.numbers = {}

    def number(self, reason):
        return self.numbers.setdefault(reason, len(self.numbers) + 1)

    def lines(self):
        return [f"| {number} | {plain(reason)} |" for reason, number in self.numbers.items()]


def plain(text):
    """In a cell of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def cell(column, value, reasons):
    if not isinstance(value, dict):
        return f"**{value:.1e}**" if is_wrong(column, value) else f"{value:.0e}"
    reason = next(iter(value.values()))
    if reason == NOT_TOKENS:
        return "-"
    number = f"[{reasons.number(reason)}]"
    return f"**failed** {number}" if "failed" in value else number


def counts(results):
    """How many text models stand in each column, of how many."""
    text = [
        result
        for result in results.values()
        if "left_out" not in result and result["A"] != {"refused": NOT_TOKENS}
    ]
    good = {
        column: sum(
            not isinstance(result[column], dict) and not is_wrong(column, result[column])
            for result in text
        )
        for column in COLUMNS
    }
    return good, len(text)


def summary(by_exporter):
    lines = ["", "| exporter | text models | " + " | ".join(TITLES.values()) + " |"]
    lines.append("| --- |" + " --- |" * (len(COLUMNS) + 1))
    for exporter, results in by_exporter.items():
        good, total = counts(results)
        numbers = " | ".join(str(good[column]) for column in COLUMNS)
        lines.append(f"| {exporter} | {total} | {numbers} |")
    return lines


def table(exporter, results, reasons):
    lines = ["", f"## {exporter}", ""]
    lines.append("| family | " + " | ".join(TITLES.values()) + " |")
    lines.append("| --- |" + " --- |" * len(COLUMNS))
    for family, result in sorted(results.items()):
        if "left_out" in result:
            cells = [f"left out [{reasons.number(result['left_out'])}]"] + [""] * 3
        else:
            cells = [cell(column, result[column], reasons) for column in COLUMNS]
        name = (
            f"*{family}* [{reasons.number(result['evaluated'])}]"
            if "evaluated" in result
            else family
        )
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def page(by_exporter):
    """`by_exporter`: {exporter: {family: result}}."""
    reasons = Reasons()
    lines = [
        HEAD.format(fp32=ALLOWED["padded"], fp16=ALLOWED["fp16"]),
        "How many text models are right:",
    ]
    lines += summary(by_exporter)
    for exporter, results in by_exporter.items():
        lines += table(exporter, results, reasons)
    if reasons.numbers:
        lines += ["", "## Refusals", "", "| | what is said |", "| --- | --- |", *reasons.lines()]
    return "\n".join(lines) + "\n"


def value_of(text, reasons):
    """The value of a text that `cell` wrote."""
    text = text.strip("*")
    if text == "-":
        return {"refused": NOT_TOKENS}
    number = re.fullmatch(r"(?:(failed)\*\* )?\[(\d+)\]", text)
    if number:
        return {number[1] or "refused": reasons[int(number[2])]}
    return float(text)


def read(text):
    """{exporter: {family: result}} of a page, with errors as exact as the page has them."""
    refusals = text.partition("## Refusals")[2]
    reasons = {
        int(number): html.unescape(said).replace("\\|", "|").replace("\\*", "*")
        for number, said in re.findall(r"^\| (\d+) \| (.*) \|$", refusals, re.MULTILINE)
    }
    by_exporter, results = {}, {}
    for line in text.partition("## Refusals")[0].splitlines():
        if line.startswith("## "):
            results = by_exporter.setdefault(line[len("## ") :], {})
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if not by_exporter or len(cells) != 1 + len(COLUMNS) or cells[0] in ("family", "---"):
            continue
        family, _, evaluated = cells[0].partition(" ")
        result = results.setdefault(family.strip("*"), {})
        if evaluated:
            result["evaluated"] = reasons[int(evaluated.strip("[]"))]
        if cells[1].startswith("left out"):
            result["left_out"] = reasons[int(cells[1][len("left out [") : -1])]
        else:
            result.update({c: value_of(text, reasons) for c, text in zip(COLUMNS, cells[1:])})
    return by_exporter
