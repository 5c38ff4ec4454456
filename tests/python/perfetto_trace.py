# SPDX-License-Identifier: Apache-2.0
"""Traces held against Perfetto itself: its published descriptors (PyPI `perfetto`) know every
message, field and number of ours, read what `tessera trace` writes without a field left over, and
find what `tessera inspect --json` says. Where $TESSERA_TRACE_PROCESSOR names Perfetto's
trace_processor_shell, its tables are asked too."""

import json
import os
import subprocess
import tempfile
import unittest

from google.protobuf import descriptor_pb2
from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as published

SOURCE = os.environ["TESSERA_SOURCE_DIR"]
PROCESSOR = os.environ.get("TESSERA_TRACE_PROCESSOR", "")
Event = published.TrackEvent


def tessera(*words):
    return subprocess.run(["tessera", *words], capture_output=True, text=True, check=True).stdout


def our_messages(folder):
    """By full name, from the schema that the program is built from."""
    path = os.path.join(folder, "ours.descriptor")
    schema = os.path.join(SOURCE, "trace", "perfetto.proto")
    subprocess.run(
        ["protoc", "-I", os.path.dirname(schema), "-o", path, os.path.basename(schema)], check=True
    )
    with open(path, "rb") as file:
        files = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    return {f"{file.package}.{m.name}": m for file in files.file for m in file.message_type}


def left_over(message):
    """Fields that the published descriptors do not know, of a message and all below it."""
    count = len(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type:
            for one in value if field.is_repeated else [value]:
                count += left_over(one)
    return count


class Trace:
    """Slices by the name of their track, with what they say."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.trace = published.Trace.FromString(file.read())
        self.tracks, self.processes = {}, set()
        self.slices, self.values = {}, {}
        names, note_names, note_values, stacks = {}, {}, {}, {}
        for packet in self.trace.packet:
            for to, added in (
                (names, packet.interned_data.event_names),
                (note_names, packet.interned_data.debug_annotation_names),
            ):
                to.update({one.iid: one.name for one in added})
            for one in packet.interned_data.debug_annotation_string_values:
                note_values[one.iid] = one.str.decode("utf-8")
            if packet.HasField("track_descriptor"):
                track = packet.track_descriptor
                self.tracks[track.uuid] = track.name or track.thread.thread_name
                if track.HasField("process"):
                    self.processes.add(track.process.process_name)
                continue
            event, at = packet.track_event, packet.timestamp
            name = self.tracks[event.track_uuid]
            stack = stacks.setdefault(event.track_uuid, [])
            if event.type == Event.TYPE_COUNTER:
                self.values.setdefault(name, []).append((at, event.counter_value))
            elif event.type == Event.TYPE_SLICE_END:
                stack.pop()["end"] = at
            else:
                notes = {}
                for note in event.debug_annotations:
                    kind = note.WhichOneof("value")
                    value = getattr(note, kind) if kind else len(note.array_values)
                    notes[note_names[note.name_iid]] = (
                        note_values[value] if kind == "string_value_iid" else value
                    )
                said = {
                    "name": names[event.name_iid],
                    "begin": at,
                    "depth": len(stack),
                    "notes": notes,
                }
                self.slices.setdefault(name, []).append(said)
                if event.type == Event.TYPE_SLICE_BEGIN:
                    stack.append(said)
        self.open = sum(len(stack) for stack in stacks.values())

    def cycles(self, track, depth=0):
        slices = self.slices.get(track, [])
        return sum(one["notes"]["cycles"] for one in slices if one["depth"] == depth)


class Perfetto(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = folder.name

        def path(name):
            return os.path.join(cls.folder, name)

        tessera("make-model", "--preset", "tiny", "-o", path("tiny.onnx"))
        shape = ["--input_shape", "input_ids=4,16"]
        tessera("compile", "-i", path("tiny.onnx"), *shape, "-o", path("tiny.popef"))
        online = ["--online", "--virtual", "--batch_microseconds", "900", "--rate", "2e4"]
        tessera("bench", *online, "--requests", "200", "--record", path("run.jsonl"))
        shapes = ["--random", "input_ids=4,16", "input_ids=4,12"]
        tessera("run", path("tiny.onnx"), "--no_cache", *shapes, "--events", path("log.jsonl"))
        cls.path = path("all.pftrace")
        host = ["--record", path("run.jsonl"), "--events", path("log.jsonl")]
        tessera("trace", path("tiny.popef"), *host, "-o", cls.path)
        cls.inspected = json.loads(tessera("inspect", path("tiny.popef"), "--json"))
        cls.seen = Trace(cls.path)
        ways = ["--num_ipus", "4", "--sharding", "auto", "--enable_pipelining",
                "--batches_per_step", "8"]  # fmt: skip
        tessera("compile", "-i", path("tiny.onnx"), *shape, *ways, "-o", path("four.popef"))
        cls.path_of_four = path("four.pftrace")
        tessera("trace", path("four.popef"), "-o", cls.path_of_four)
        cls.four = json.loads(tessera("inspect", path("four.popef"), "--json"))
        cls.seen_four = Trace(cls.path_of_four)

    def test_every_field_of_ours_is_published_with_its_number(self):
        messages = our_messages(self.folder)
        self.assertIn("perfetto.protos.TrackEvent", messages)
        for full_name, ours in messages.items():
            theirs = getattr(published, ours.name).DESCRIPTOR
            self.assertEqual(theirs.full_name, full_name)
            for field in ours.field:
                with self.subTest(message=ours.name, field=field.name):
                    known = theirs.fields_by_name[field.name]
                    self.assertEqual(field.number, known.number)
                    self.assertEqual(field.type, known.type)
                    self.assertEqual(field.label == field.LABEL_REPEATED, known.is_repeated)
                    named = known.message_type or known.enum_type
                    if named:
                        self.assertEqual(field.type_name, "." + named.full_name)
                    if field.HasField("oneof_index"):
                        oneof = ours.oneof_decl[field.oneof_index].name
                        self.assertEqual(oneof, known.containing_oneof.name)
                    else:
                        self.assertIsNone(known.containing_oneof)
            for enum in ours.enum_type:
                values = theirs.enum_types_by_name[enum.name].values_by_name
                for value in enum.value:
                    self.assertEqual(value.number, values[value.name].number, value.name)

    def test_a_trace_is_read_without_a_field_left_over(self):
        self.assertEqual(left_over(self.seen.trace), 0)
        self.assertEqual(self.seen.open, 0)
        self.assertEqual(
            self.seen.processes, {"modelled IPU (c600)", "host, in virtual time", "host"}
        )

    def test_cycles_are_those_of_inspect(self):
        cycles = self.inspected["cycles"]
        for part in ("compute", "exchange", "sync"):
            self.assertEqual(self.seen.cycles(part), cycles[part], part)
        for depth in (0, 1):
            self.assertEqual(self.seen.cycles("operations", depth), cycles["total"])
        steps = [one for one in self.seen.slices["operations"] if one["depth"] == 1]
        self.assertEqual(
            [(one["name"], one["notes"]["codelet"], one["notes"]["bytes"]) for one in steps],
            [(s["name"], s["codelet"], s["exchange_bytes"]) for s in self.inspected["supersteps"]],
        )

    def test_several_ipus_have_a_process_each(self):
        self.assertEqual(left_over(self.seen_four.trace), 0)
        self.assertEqual(self.seen_four.open, 0)
        self.assertEqual(
            self.seen_four.processes,
            {"modelled IPUs (c600)", *(f"IPU {number} of 4" for number in range(4))},
        )
        # The rows of all IPUs have the same names, so together they have the work of all.
        for part in ("compute", "exchange", "rearrange", "sync"):
            self.assertEqual(self.seen_four.cycles(part), self.four["cycles"][part], part)
        for ipu in self.four["ipus"]:
            (name,) = (n for n in self.seen_four.values if f"tile {ipu['peak_tile']} " in n)
            most = max(value for _, value in self.seen_four.values[name])
            self.assertEqual(most, ipu["peak_bytes"])

    def test_memory_peaks_where_inspect_says(self):
        memory = self.inspected["memory"]
        values = self.seen.values[f"live memory, tile {memory['peak_tile']} (fullest)"]
        self.assertEqual(max(value for _, value in values), memory["peak_bytes"])

    def test_the_host_has_requests_batches_and_compiles(self):
        requests = [one for one in self.seen.slices["requests"] if one["depth"] == 0]
        self.assertEqual(len(requests), 200)
        self.assertEqual({one["notes"]["outcome"] for one in requests}, {"answered"})
        self.assertEqual(
            sum(one["notes"]["requests"] for one in self.seen.slices["machine"]), len(requests)
        )
        compiles = [
            one
            for track, slices in self.seen.slices.items()
            if track.endswith("compiles and loads")
            for one in slices
            if one["depth"] == 0
        ]
        self.assertEqual(
            [one["name"] for one in compiles], ["cold_compile tiny.onnx", "recompile tiny.onnx"]
        )

    def test_trace_processor_has_no_complaint(self):
        if not PROCESSOR:
            self.skipTest("TESSERA_TRACE_PROCESSOR names no trace_processor_shell")
        from perfetto.trace_processor import TraceProcessor, TraceProcessorConfig

        config = TraceProcessorConfig(bin_path=PROCESSOR)
        with TraceProcessor(trace=self.path, config=config) as processor:
            errors = processor.query(
                "select name, value from stats "
                "where severity in ('error', 'data_loss') and value > 0"
            )
            self.assertEqual([(row.name, row.value) for row in errors], [])
            sums = processor.query(
                "select sum(extract_arg(s.arg_set_id, 'debug.cycles')) as cycles from slice s "
                "join track t on s.track_id = t.id where t.name = 'compute'"
            )
            self.assertEqual(next(iter(sums)).cycles, self.inspected["cycles"]["compute"])


if __name__ == "__main__":
    unittest.main()
