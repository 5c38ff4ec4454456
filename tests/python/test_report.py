# SPDX-License-Identifier: Apache-2.0
import copy
import json
import unittest

import numpy as np

import tessera
import tiny


class Reports(unittest.TestCase):
    def test_of_a_file_is_what_the_command_line_writes(self):
        report = tessera.report(tiny.popef())
        written = json.loads(tiny.command_line("report", tiny.popef(), "--json").stdout)
        self.assertEqual(report.data["executables"], written["executables"])
        self.assertEqual(report.data["verdict"], written["verdict"])

    def test_is_shown_inline_and_saved(self):
        report = tessera.report(tessera.load(tiny.popef()))
        self.assertTrue(report._repr_html_().startswith("<iframe srcdoc="))
        self.assertIn("sandbox", report._repr_html_())
        report.save(tiny.path("report.html"))
        with open(tiny.path("report.html"), encoding="utf-8") as file:
            self.assertEqual(file.read(), report.page)

    def test_executables_and_events_show_themselves(self):
        executable = tessera.load(tiny.popef())
        self.assertIn("iframe", executable._repr_html_())
        inputs = {
            name: np.ones((2, 16), np.int32)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        with tessera.Session(tiny.model(), on_recompile="allow") as session:
            session.run(inputs)
            events = session.recompiles()
        self.assertIn("iframe", events._repr_html_())
        self.assertEqual(tessera.report(events=events).data["verdict"]["compiles"], 1)

    def test_plans_and_figures_show_themselves(self):
        lengths = [3, 9, 16, 5, 5, 31, 2]
        packed = tessera.load(tiny.popef(packing="B"))
        plan = tessera.pack(lengths, packed, policy="best_fit")
        figures = {
            "bench": tessera.bench(tiny.popef(), iterations=2),
            "policies": tessera.pack.compare(lengths, packed),
            "shapes": tessera.pack.tune(lengths, executables=[tiny.popef()]),
        }
        for name, value in {"plan": plan, **figures}.items():
            report = tessera.report(**{name: value})
            self.assertEqual(value._repr_html_(), report._repr_html_())
            self.assertEqual(copy.deepcopy(value)._repr_html_(), report._repr_html_())
            if name in figures:
                self.assertEqual(report.data[name]["figures"], value)
                self.assertEqual(copy.deepcopy(value), value)
        data = tessera.report(plan=plan).data["plan"]
        self.assertEqual(data["policy"], "best_fit")
        self.assertEqual(data["occupancy"]["requests"], len(lengths))
        self.assertEqual(len(data["batches"]), len(plan))

    def test_plans_and_figures_are_taken_from_files_too(self):
        plan, compared = tiny.path("shown_plan.json"), tiny.path("shown_policies.json")
        words = ("pack", "--random", "40", "--rows", "4")
        tiny.command_line(*words, "-o", plan)
        with open(compared, "w", encoding="utf-8") as file:
            file.write(tiny.command_line(*words, "--compare", "--json").stdout)
        data = tessera.report(plan=plan, policies=compared).data
        told = json.loads(tiny.command_line("report", plan, compared, "--json").stdout)
        for name in ("plan", "policies", "verdict"):
            self.assertEqual(data[name], told[name])
        with self.assertRaisesRegex(tessera.UsageError, "must be what bench gives"):
            tessera.report(bench=compared)

    def test_two_executables_are_compared(self):
        report = tessera.report(tiny.popef(), tiny.popef())
        changes = [row["cycles_change"] for row in report.data["differences"][0]["operations"]]
        self.assertEqual(set(changes), {0})

    def test_of_nothing_is_refused(self):
        with self.assertRaises(tessera.UsageError):
            tessera.report()


if __name__ == "__main__":
    unittest.main()
