# SPDX-License-Identifier: Apache-2.0
"""The JSON that the verbs print, and the files of lines that they write, held to docs/schemas: each
document names its schema, and each schema has documents here."""

import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

try:
    import jsonschema
except ImportError as missing:
    raise unittest.SkipTest("left out: needs python3-jsonschema") from missing

SOURCE = os.environ["TESSERA_SOURCE_DIR"]
PROGRAM = os.environ["TESSERA"]
#: A schema of another kind.
OTHER = ("openapi.json",)
#: Schemas of documents that need the Python package: tests/python holds them to it.
OF_PYTHON = {"tessera-sweep/1"}


def schemas():
    """{$id: (file, schema)}."""
    found = {}
    for path in sorted(glob.glob(os.path.join(SOURCE, "docs", "schemas", "*.json"))):
        if os.path.basename(path) in OTHER:
            continue
        with open(path, encoding="utf-8") as file:
            schema = json.load(file)
        # A name, and not a place to resolve "#/$defs" against, as older validators do.
        found[schema.pop("$id")] = (os.path.basename(path), schema)
    return found


class Schemas(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.schemas = schemas()
        cls.seen = set()
        cls.temporary = tempfile.TemporaryDirectory(prefix="tessera-schemas-")
        cls.addClassCleanup(cls.temporary.cleanup)
        cls.run_verb("make-model", "--preset", "tiny", "-o", "tiny.onnx")
        shape = ("--input_shape", "input_ids=4,16", "--target", "test")
        cls.run_verb("compile", "-i", "tiny.onnx", *shape, "-o", "padded.popef")
        packing = ("--pack_args", "max_valid_num=12", "segment_max_size=16")
        cls.run_verb("compile", "-i", "tiny.onnx", *shape, *packing, "-o", "packed.popef")
        with open(os.path.join(cls.temporary.name, "lengths.csv"), "w", encoding="utf-8") as file:
            file.write("length,count\n3,40\n9,20\n16,4\n")

    @classmethod
    def run_verb(cls, *words, codes=(0,)):
        done = subprocess.run(
            (PROGRAM, *words), cwd=cls.temporary.name, capture_output=True, text=True, check=False
        )
        if done.returncode not in codes:
            raise AssertionError(f"tessera {' '.join(words)}: {done.returncode}: {done.stderr}")
        return done.stdout

    def validate(self, document, schema_id=None):
        schema_id = schema_id or document["schema"]
        self.assertIn(schema_id, self.schemas)
        jsonschema.Draft202012Validator(self.schemas[schema_id][1]).validate(document)
        self.seen.add(schema_id)

    def check(self, *words, codes=(0,)):
        """The one document that a verb prints with --json."""
        document = json.loads(self.run_verb(*words, "--json", codes=codes))
        with self.subTest(words=words):
            self.assertEqual(next(iter(document)), "schema")
            self.validate(document)

    def check_lines(self, text, schema_id):
        lines = text.splitlines()
        self.assertGreater(len(lines), 0)
        for line in lines:
            self.validate(json.loads(line), schema_id)

    def test_schemas_are_sound_and_have_a_version(self):
        for schema_id, (file, schema) in self.schemas.items():
            with self.subTest(file=file):
                jsonschema.Draft202012Validator.check_schema(schema)
                self.assertRegex(schema_id, r"^[a-z-]+/\d+$")

    def test_the_page_has_every_schema_and_every_verb_with_json(self):
        with open(os.path.join(SOURCE, "docs", "json.md"), encoding="utf-8") as file:
            rows = [line for line in file if line.startswith("| [")]
        listed = {re.search(r"\(schemas/(.+)\) \| `(.+?)` \|", row).groups() for row in rows}
        self.assertEqual(listed, {(file, key) for key, (file, _) in self.schemas.items()})
        froms = "".join(row.split("|")[3] for row in rows)
        verbs = re.findall(r"^  ([a-z-]+)  ", self.run_verb("help"), re.MULTILINE)
        self.assertGreater(len(verbs), 20)
        for verb in verbs:
            if "--json" in self.run_verb(verb, "--help"):
                with self.subTest(verb=verb):
                    self.assertRegex(froms, rf"`(tessera )?{verb}\b")

    def test_every_document_is_as_its_schema_says(self):
        model, padded, packed = "tiny.onnx", "padded.popef", "packed.popef"
        small = ("--target", "test", "--input_shape", "input_ids=4,16")
        self.check("compile", "-i", model, *small, "-o", "again.popef")
        self.check("compile", "-i", model, *small, "--precision", "fp16", "-o", "half.popef")
        self.check(
            "compile",
            "-i",
            model,
            "--input_shape",
            "input_ids=4,16",
            "--num_ipus",
            "2",
            "--parallel",
            "auto",
            "-o",
            "two.popef",
        )
        self.check("quantize", model, "-o", "bytes.onnx", "--skip_most_sensitive", "1")
        self.check("convert", "-i", model, *small, "-o", "converted.onnx")
        self.check("make-model", "--preset", "tiny", "-o", "another.onnx")
        for file in (padded, packed, "half.popef", "two.popef"):
            self.check("inspect", file)
            self.check("inspect", file, "--cycles")
        self.check("inspect", padded, "--superstep", "0")
        self.check("inspect", model)
        self.check("inspect", padded, "--against", packed)
        self.check("verify", padded, model, codes=(2,))
        self.check("verify", padded)
        self.check("check", model, "--target", "test", "--by_layer", "--random_requests", "2")
        self.check("version")
        self.check("doctor", codes=(0, 1))
        self.check("tune", "--seconds", "0.1", "--dry_run")
        self.check("trace", padded, "-o", "padded.pftrace")
        self.check("keygen", "--no_password", "--secret_key", "k.key", "--public_key", "k.pub")
        self.check("sign", padded, "--secret_key", "k.key")
        self.check("verify", padded, "--require_signature", "k.pub")
        self.check("requests", packed, "--random", "8", "-o", "requests")
        self.check("requests", padded, "--batch", "-o", "batch")
        self.check("run", padded, "--random")
        self.check("run", packed, "--requests", "requests", "--outputs", "answers")

    def test_so_is_what_benches_print_and_record(self):
        few = ("--avg_seq_len", "8", "--iterations", "2")
        self.check("bench", "padded.popef", "--iterations", "2")
        self.check("bench", "padded.popef", "packed.popef", *few)
        online = ("bench", "--online", "packed.popef", "--virtual", "--rate", "4000")
        deadline = ("--deadline_microseconds", "900")
        self.check(*online, "--requests", "40", *deadline, "--record", "v.jsonl")
        self.check(
            "bench",
            "--online",
            "packed.popef",
            "--clients",
            "2",
            "--requests",
            "9",
            "--record",
            "h.jsonl",
        )
        self.check("bench", "--online", "--replay", "v.jsonl")
        for record in ("v.jsonl", "h.jsonl"):
            with open(os.path.join(self.temporary.name, record), encoding="utf-8") as file:
                self.check_lines(file.read(), "online/1")

    def test_so_is_what_packing_prints(self):
        self.check("pack", "--random", "200", "--compare")
        self.check("pack", "--random", "200", "--form", "A", "--max_valid_num", "30")
        self.check("pack", "lengths.csv")
        self.check("pack", "lengths.csv", "--policy", "spfhp")
        self.check("pack", "tune", "lengths.csv", "--executables", "padded.popef", "packed.popef")
        self.check(
            "pack",
            "tune",
            "lengths.csv",
            "-i",
            "tiny.onnx",
            "--target",
            "test",
            "--try_rows",
            "2,4000",
            "--try_row_length",
            "16",
        )

    def test_so_are_events_and_advice(self):
        def run(policy, *shapes, codes=(0,)):
            words = ("run", "tiny.onnx", "--target", "test", "--events", "e.jsonl", *policy)
            self.run_verb(*words, "--random", *shapes, codes=codes)

        run((), "input_ids=4,16", "input_ids=4,12", "input_ids=2,8")
        run(("--on_recompile", "pad"), "input_ids=4,16", "input_ids=4,11")
        cached = ("--precision", "fp16", "--cache_dir", "cache")
        run(("--on_recompile", "fail", *cached), "input_ids=4,16", "input_ids=4,12", codes=(3,))
        with open(os.path.join(self.temporary.name, "e.jsonl"), encoding="utf-8") as file:
            self.check_lines(file.read(), "recompile/1")
        for words in (("list",), ("show", "1")):
            self.check_lines(
                self.run_verb("recompiles", *words, "e.jsonl", "--json"), "recompile/1"
            )
        self.check("recompiles", "diff", "0", "1", "e.jsonl")
        self.check("recompiles", "advise", "e.jsonl")
        self.check("report", "padded.popef", "--events", "e.jsonl")

    @classmethod
    def tearDownClass(cls):
        # A schema that no document has been held to proves nothing.
        unseen = set(cls.schemas) - cls.seen - OF_PYTHON
        if cls.seen and unseen:
            raise AssertionError(f"no document of {', '.join(sorted(unseen))} was seen")


if __name__ == "__main__":
    unittest.main()
