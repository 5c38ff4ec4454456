# SPDX-License-Identifier: Apache-2.0
"""Every view shows the numbers that `inspect --json` has, and where the compiles and batches are
shown, those that their own commands print: read from the page in a real Chromium."""

import collections
import json
import re
import sys
import time
import unittest

from browser import BrowserTest, path, report_all, run_online, tessera, write_events

COMPILE = ["compile", "--input_model", "tiny.onnx", "--precision", "fp16",
           "--input_shape", "input_ids=4,64", "--target", "c600,tiles=64"]  # fmt: skip
# The arrow keys move the map's tip. The script returns the tip's text for each tile, in order.
ALL_TILES = """
const canvas = document.querySelector('#chart-tiles canvas');
const tip = document.querySelector('#chart-tiles .tip');
const press = (key) => canvas.dispatchEvent(new KeyboardEvent('keydown', { key }));
for (let i = 0; i < arguments[0]; i += 1) press('ArrowLeft');
const said = [tip.textContent];
for (let i = 1; i < arguments[0]; i += 1) { press('ArrowRight'); said.push(tip.textContent); }
return said;
"""


def number(text):
    return int(text.replace(",", ""))


def count(value):
    return f"{value:,}"


def percent(share):
    return f"{100 * share:.1f} %"


def words(name):
    return name.replace("_", " ")


def lines(text):
    return [json.loads(line) for line in text.splitlines() if line]


class Numbers(BrowserTest):
    @classmethod
    def make(cls):
        tessera("make-model", "--preset", "tiny", "-o", "tiny.onnx")
        packed = ["--pack_args", "max_valid_num=10", "segment_max_size=64"]
        tessera(*COMPILE, *packed, "-o", "packed.popef")
        write_events("input_ids=4,64", "input_ids=4,48", "input_ids=4,33")
        cls.online = run_online("--requests", "200", "--avg_seq_len", "30", "--vocab", "100")
        cls.report(*COMPILE)

    @classmethod
    def report(cls, *compile_it, code=0):
        """Compiles padded.popef and writes its report."""
        tessera(*compile_it, "-o", "padded.popef", code=code)
        report_all("all.html")
        cls.inspected = json.loads(tessera("inspect", "padded.popef", "--json"))
        cls.steps = cls.inspected["supersteps"]

    def facts(self, view):
        """The pairs of a view's list, by their names; the last of each."""
        return dict(
            self.run_js(
                "return [...document.querySelectorAll(`section[data-view=${arguments[0]}] dl div`)]"
                ".map((one) => [one.children[0].textContent, one.children[1].textContent])",
                view,
            )
        )

    def tiles_coloured_by(self, source):
        """The number of each tile on the map."""
        self.run_js(
            "const choice = document.getElementById('tile-source'); choice.value = arguments[0];"
            "choice.dispatchEvent(new Event('change'))",
            source,
        )
        said = self.run_js(ALL_TILES, self.inspected["tiles"])
        found = [re.fullmatch(r"tile (\d+)(?: \(IPU \d+\))?: ([\d,]+) \w+", one) for one in said]
        self.assertEqual([int(one[1]) for one in found], list(range(self.inspected["tiles"])))
        return [number(one[2]) for one in found]

    def test_verdict(self):
        self.driver.open("all.html", "verdict")
        facts, memory = self.facts("verdict"), self.inspected["memory"]
        cycles = self.inspected["cycles"]
        room = count(int(re.search(r"bytes_per_tile=(\d+)", self.inspected["options"])[1]))
        self.assertEqual(facts["memory"], "fits" if memory["fits"] else "does not fit")
        self.assertTrue(
            facts["fullest tile"].startswith(
                f"tile {memory['peak_tile']}: {count(memory['peak_bytes'])} of {room} bytes "
            ),
            facts,
        )
        self.assertIn(f"'{memory['peak_superstep']}'", facts["fullest tile"])
        condition = "" if memory["fits"] else ", if it did fit"
        self.assertEqual(facts["cycles per batch"], count(cycles["total"]) + condition)
        milliseconds, unit = facts["time per batch"].split()[:2]
        scale = {"us": 1e6, "ms": 1e3, "s": 1}[unit]
        self.assertAlmostEqual(float(milliseconds), cycles["seconds_per_batch"] * scale, delta=0.06)
        padded, share = "its requests, if each had a row of 64 tokens", percent(self.padded_share())
        self.assertEqual(facts["useful tokens"], f"{share}: run.jsonl, {padded}")
        of_record = "form A, 4 rows of 64 tokens, at most 10 requests"
        self.assertEqual(self.cells("useful", 1)[:2], [of_record, padded])
        fill = percent(self.online["token_fill"])
        self.assertEqual(self.cells("useful", 2)[:2], [fill, share])
        self.assertEqual(self.cells("useful", 3)[:2], ["packed.popef", "padded.popef"])
        events = lines(tessera("recompiles", "list", "events.jsonl", "--json"))
        self.assertTrue(facts["compiles"].startswith(f"{len(events)} in "), facts["compiles"])
        shares = self.run_js(
            "return [...document.querySelectorAll('.share-bar')[0].children].map((o) => o.title)"
        )
        parts = ("compute", "exchange", "rearrange", "sync")
        self.assertEqual(
            shares, [f"{part}: {percent(cycles[part] / cycles['total'])}" for part in parts]
        )

    def padded_share(self):
        """The share of useful tokens, if each request of the record had a row."""
        with open(path("run.jsonl"), encoding="utf-8") as file:
            lengths = [
                event["length"] for event in lines(file.read()) if event.get("e") == "submit"
            ]
        return sum(lengths) / (64 * len(lengths))

    def test_tiles(self):
        self.driver.open("all.html", "tiles")
        memory = self.inspected["memory"]
        peak = self.tiles_coloured_by("peak")
        self.assertEqual(max(peak), memory["peak_bytes"])
        self.assertEqual(peak.index(max(peak)), memory["peak_tile"])
        always = self.tiles_coloured_by("always_live")
        self.assertEqual(always[memory["peak_tile"]], memory["always_live_bytes"])
        for at in range(0, len(self.steps), 3):
            self.go(f"supersteps/{at}")
            self.go("tiles")
            step = self.steps[at]
            self.assertEqual(
                max(self.tiles_coloured_by("step-compute")), step["compute_cycles"], step
            )
            self.assertEqual(
                max(self.tiles_coloured_by("step-exchange")), step["exchange_cycles"], step
            )
            self.assertEqual(
                sum(self.tiles_coloured_by("step-received")), step["exchange_bytes"], step
            )

    def test_a_tile_has_the_messages_that_are_counted(self):
        self.driver.open("all.html", "tiles")
        seen = 0
        for at in range(0, len(self.steps), 4):
            self.go(f"supersteps/{at}")
            for tile in (0, self.inspected["memory"]["peak_tile"], 37, 63):
                self.go(f"tiles/{tile}")
                text = self.text_of("#tile-panel")
                counted = re.search(r"in ([\d,]+) messages?, sent .* in ([\d,]+)\.", text)
                listed = [re.search(rf"that it {what}: ([\d,]+)", text)
                          for what in ("receives", "sends")]  # fmt: skip
                self.assertEqual([one[1] if one else "0" for one in listed], list(counted.groups()))
                seen += number(counted[1]) + number(counted[2])
        self.assertGreater(seen, 100)

    def test_memory_over_time(self):
        self.driver.open("all.html", "memory")
        memory = self.inspected["memory"]
        total = self.run_js("return Number(document.getElementById('memory-total').dataset.v)")
        self.assertEqual(total, memory["peak_bytes"])
        title = self.text_of("#memory-panel h3")
        self.assertTrue(title.startswith(f"Tile {memory['peak_tile']} "), title)
        self.assertTrue(title.endswith(memory["peak_superstep"]), title)
        self.assertEqual(sum(self.numbers("uses", 1)), memory["peak_bytes"])
        self.assertEqual(
            list(zip(self.cells("largest", 0), self.numbers("largest", 1))),
            [(one["what"], one["bytes"]) for one in memory["largest"]],
        )

    def test_supersteps(self):
        self.driver.open("all.html", "supersteps")
        columns = {
            4: "vertices",
            7: "exchange_cycles",
            8: "compute_cycles",
            9: "sync_cycles",
            10: "exchange_bytes",
            13: "not_always_live_bytes",
        }
        for column, name in columns.items():
            said = [step[name] for step in self.steps]
            self.assertEqual(self.numbers("supersteps", column), said, name)
        self.assertEqual(self.cells("supersteps", 1), [step["name"] for step in self.steps])
        self.assertEqual(self.cells("supersteps", 3), [step["codelet"] for step in self.steps])
        self.assertEqual(
            self.cells("supersteps", 11), [percent(step["balance"]) for step in self.steps]
        )
        self.assertEqual(sum(self.numbers("supersteps", 5)), self.inspected["cycles"]["total"])
        self.assertEqual(sum(self.numbers("supersteps", 6)), self.inspected["cycles"]["rearrange"])
        for at in (0, 7, len(self.steps) - 1):
            self.go(f"supersteps/{at}")
            panel, step = self.text_of("#superstep-panel"), self.steps[at]
            for said in (f"compute {count(step['compute_cycles'])}", f"sync {step['sync_cycles']}",
                         f"exchange {count(step['exchange_cycles'])}", *step["origin"],
                         f"{step['codelet']}, {count(step['vertices'])} vertices"):  # fmt: skip
                self.assertIn(said, panel)

    def test_operations(self):
        self.driver.open("all.html", "operations")
        self.assertEqual(sum(self.numbers("operations", 3)), self.inspected["cycles"]["total"])
        sums = collections.defaultdict(collections.Counter)
        for step in self.steps:
            name = tuple(step["origin"]) or ("", step["codelet"])
            sums[name].update({n: step[n] for n in ("exchange_cycles", "compute_cycles",
                                                    "sync_cycles", "exchange_bytes")})  # fmt: skip
            sums[name]["supersteps"] += 1
        columns = {2: "supersteps", 6: "exchange_cycles", 7: "compute_cycles", 8: "sync_cycles",
                   11: "exchange_bytes"}  # fmt: skip
        shown = list(zip(*(self.numbers("operations", column) for column in columns)))
        said = [tuple(one[name] for name in columns.values()) for one in sums.values()]
        self.assertEqual(sorted(shown), sorted(said))
        areas = self.run_js(
            "return [...document.querySelectorAll('#chart-operations title')]"
            ".map((one) => one.textContent.match(/, (\\w+): ([\\d,]+) cycles/).slice(1))"
        )
        shown, said = collections.Counter(), collections.Counter()
        for codelet, cycles in areas:
            shown[codelet] += number(cycles)
        for step, cycles in zip(self.steps, self.all_cycles()):
            said[step["codelet"]] += cycles
        self.assertEqual(shown, said)

    def all_cycles(self):
        return self.numbers("supersteps", 5)

    def test_placement(self):
        self.driver.open("all.html", "placement")
        types = dict(zip(self.cells("variables", 0), self.cells("variables", 2)))
        sizes = dict(zip(self.cells("variables", 0), self.numbers("variables", 3)))
        for anchor in self.inspected["anchors"]:
            shape = ",".join(str(size) for size in anchor["shape"])
            self.assertEqual(types[anchor["name"]], f"{anchor['dtype']}[{shape}]")
        constants = {one["name"]: one["bytes"] for one in self.inspected["blobs"]
                     if one["type"] == "tensor data"}  # fmt: skip
        self.assertGreater(len(constants), 10)
        self.assertEqual(constants, {name: sizes[name] for name in constants})

    def test_packing(self):
        self.driver.open("all.html", "packing")
        facts, packing = self.facts("packing"), self.inspected["packing"]
        self.assertEqual(facts["form"], "none, padded")
        for name, of in (("rows", "rows"), ("row length", "row_length")):
            self.assertEqual(facts[name], count(packing[of]), name)
        self.assertEqual(facts["most requests"], f"{packing['rows']}, one a row")
        self.assertEqual(facts["longest request"], f"{packing['row_length']} tokens")
        self.assertEqual(
            facts["its batches"],
            "form A, 4 rows of 64 tokens, at most 10 requests, as packed.popef",
        )
        self.assertIn(percent(self.online["token_fill"]), facts["occupancy"])
        self.assertIn(percent(self.online["segment_fill"]), facts["occupancy"])
        self.assertTrue(facts["batches"].startswith(count(self.online["batches"])))
        self.assertEqual(
            collections.Counter(self.cells("batches", 2)),
            collections.Counter(self.online["closed_for"]),
        )
        self.assertEqual(sum(self.numbers("batches", 3)), self.online["answered"])
        self.assertIn(f"p50 {1e3 * self.online['latency_seconds']['p50']:.2f} ms", facts["latency"])

    def test_recompiles(self):
        self.driver.open("all.html", "recompiles")
        events = lines(tessera("recompiles", "list", "events.jsonl", "--json"))
        self.assertEqual(self.cells("events", 1), [words(event["kind"]) for event in events])
        self.assertEqual(
            self.cells("events", 3), [words(", ".join(event["causes"])) for event in events]
        )
        self.assertEqual(
            self.cells("events", 5),
            ["" if event["nearest"] is None else str(event["nearest"]) for event in events],
        )
        self.assertEqual(
            self.numbers("events", 8), [event["impact"]["requests_blocked"] for event in events]
        )
        self.go("events/1")
        panel = self.text_of("#event-panel")
        for change in events[1]["diff"]:
            self.assertIn(f"{change['input']}, axis {change['axis']}", panel)
        (advice,) = lines(tessera("recompiles", "advise", "events.jsonl", "--json"))
        self.assertEqual(self.cells("advice-0", 0), [one["name"] for one in advice["options"]])
        best = [i for i, text in enumerate(self.cells("advice-0", 1)) if text == "best"]
        self.assertEqual(best, [] if advice["recommended"] is None else [advice["recommended"]])
        self.assertEqual(
            self.cells("advice-0", 5),
            [percent(one["useful_share"]) for one in advice["options"]],
        )

    def test_differences(self):
        self.driver.open("all.html", "differences")
        said = json.loads(tessera("inspect", "padded.popef", "--against", "packed.popef", "--json"))
        rows = said["operations"]
        self.assertEqual(self.cells("compared-0", 0), [row["name"] for row in rows])
        self.assertEqual(self.cells("compared-0", 1), [row["in"] for row in rows])
        changes = [number(text.lstrip("+").replace("±", "").replace("\N{MINUS SIGN}", "-"))
                   for text in self.cells("compared-0", 4)]  # fmt: skip
        self.assertEqual(changes, [row["cycles_change"] for row in rows])
        self.assertEqual(
            [text != "" for text in self.cells("compared-0", 10)], [row["moved"] for row in rows]
        )
        totals = [row for row in said["totals"] if isinstance(row["before"], int)]
        shown = dict(zip(self.cells("totals-0", 0), zip(self.cells("totals-0", 1),
                                                        self.cells("totals-0", 2))))  # fmt: skip
        for row in totals:
            self.assertEqual(shown[words(row["what"])], (count(row["before"]), count(row["after"])))

    def test_provenance(self):
        self.driver.open("all.html", "provenance")
        said = self.text_of("section[data-view=provenance]")
        for name in ("sha256", "source_sha256", "options_sha256", "compiler_version", "model"):
            self.assertIn(self.inspected[name], said, name)
        for line in self.inspected["options"].splitlines():
            self.assertIn(line.strip(), said)
        blobs = self.inspected["blobs"]
        self.assertEqual(self.cells("blobs", 4), [blob["sha256"] for blob in blobs])
        self.assertEqual(self.numbers("blobs", 3), [blob["bytes"] for blob in blobs])

    def test_the_data_of_the_page_are_whole(self):
        self.driver.open("all.html")
        data = json.loads(self.text_of("#tessera-report"))
        self.assertEqual(data["executables"][0]["inspection"], self.inspected)


class SeveralIpus(Numbers):
    """The same of a model that is cut over four IPUs, and what each of them does."""

    @classmethod
    def make(cls):
        super().make()
        words = ["--num_ipus", "4", "--sharding", "auto", "--enable_pipelining",
                 "--batches_per_step", "8"]  # fmt: skip
        cls.report(*COMPILE, *words)

    def test_ipus(self):
        self.driver.open("all.html", "verdict")
        names = ("ipu", "peak_tile", "peak_bytes", "always_live_bytes", "supersteps", "cycles",
                 "link_cycles")  # fmt: skip
        for column, name in enumerate(names):
            said = [one[name] for one in self.inspected["ipus"]]
            self.assertEqual(self.numbers("ipus", column), said, name)
        self.assertEqual(len(self.inspected["ipus"]), 4)
        self.assertIn("on 4 IPUs of", self.facts("verdict")["time per batch"])
        self.assertNotIn("Saves -", self.text_of("section[data-view=verdict]"))
        self.run_js("document.querySelectorAll('#table-ipus tbody a')[2].click()")
        time.sleep(0.1)
        title = self.text_of("#tile-panel h3")
        self.assertIn("(IPU 2)", title)

    def test_every_tile_of_the_map_can_be_clicked(self):
        self.driver.open("all.html", "tiles")
        chosen = self.run_js(
            "const canvas = document.querySelector('#chart-tiles canvas');"
            "const tip = document.querySelector('#chart-tiles .tip');"
            "const seen = new Set(); const box = canvas.getBoundingClientRect();"
            "for (let y = 1; y < box.height; y += 4) for (let x = 1; x < box.width; x += 4) {"
            "  canvas.dispatchEvent(new MouseEvent('mousemove',"
            "    {clientX: box.left + x, clientY: box.top + y}));"
            "  const found = tip.textContent.match(/tile (\\d+) \\(IPU (\\d+)\\)/);"
            "  if (found) seen.add(found.slice(1).join(' '));"
            "} return [...seen]"
        )
        tiles = self.inspected["tiles"] // 4
        self.assertEqual(
            {tuple(map(int, one.split())) for one in chosen},
            {(tile, tile // tiles) for tile in range(self.inspected["tiles"])},
        )


class OutOfMemory(Numbers):
    """The same of an executable that its tiles do not hold."""

    @classmethod
    def make(cls):
        super().make()
        small = ["--target", "c600,tiles=64,bytes_per_tile=40000"]
        cls.report(*COMPILE[:-2], *small, code=4)

    def test_advice_is_about_what_does_not_fit(self):
        self.driver.open("all.html", "verdict")
        advice = self.text_of("section[data-view=verdict] ol.advice")
        self.assertIn("It does not fit.", advice)
        self.assertNotIn("starts the engine", advice)


if __name__ == "__main__":
    sys.exit(unittest.main())
