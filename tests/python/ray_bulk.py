# SPDX-License-Identifier: Apache-2.0
"""tessera.ray beside one process without Ray: two workers of which one is killed, a node that goes,
blocks in another order, a job that is ended. The bytes must be equal.

    ray_bulk.sh PYTHON FOLDER     in a virtual environment with ray and pyarrow"""

import os
import pathlib
import signal
import tempfile
import unittest

# Workers must not starve beside what else runs here.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 (Ray spells it so)

import numpy as np
import ray
import ray.data
from ray.cluster_utils import Cluster

import tessera
import tessera.ray
import tiny
from tessera import bulk
from test_bulk import ROWS, content_of, rows_of, taken

PART_ROWS = 50


def dataset(blocks=5, seed=1):
    """The rows in another order, cut into blocks."""
    rows = taken(rows_of(), np.random.default_rng(seed).permutation(ROWS))
    items = [
        {"id": int(key), "input_ids": ids.tolist(), "note": int(note)}
        for key, ids, note in zip(rows["id"], rows["input_ids"], rows["note"])
    ]
    return ray.data.from_items(items, override_num_blocks=blocks)


class Case(unittest.TestCase):
    @classmethod
    def start(cls):
        ray.init(
            num_cpus=2,
            object_store_memory=256 << 20,
            include_dashboard=False,
            log_to_driver=False,
        )

    @classmethod
    def stop(cls):
        ray.shutdown()

    @classmethod
    def setUpClass(cls):
        cls.start()
        cls.addClassCleanup(cls.stop)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = 1 << 20  # as large as the store of these nodes allows
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.executable = tiny.popef(packing="B")
        for name, histogram in (("one", False), ("one-planned", True)):
            path = cls.folder / name
            bulk.run(rows_of(), cls.executable, path, part_rows=PART_ROWS, histogram=histogram)

    def run_ray(self, name, source=None, **options):
        path = self.folder / name
        options = {"part_rows": PART_ROWS, **options}
        source = dataset() if source is None else source
        return tessera.ray.run(source, self.executable, path, **options), path


class Workers(Case):
    def test_a_worker_that_is_killed_costs_no_row_and_no_byte(self):
        killed = []

        def kill(progress):
            if not killed:
                killed.append(progress.part.worker)
                os.kill(progress.part.worker, signal.SIGKILL)

        done, path = self.run_ray("killed", progress=kill)
        self.assertEqual(len(killed), 1)
        self.assertEqual(done.work.rows, ROWS)
        self.assertEqual(content_of(self.folder / "one"), content_of(path))

    def test_a_job_that_is_ended_goes_on_in_other_blocks_with_other_workers(self):
        class EndedError(Exception):
            pass

        def end(progress):
            if progress.rows > ROWS // 3:
                raise EndedError

        with self.assertRaises(EndedError):
            self.run_ray("ended", progress=end)
        done, path = self.run_ray("ended", dataset(blocks=3, seed=9), workers=1)
        self.assertLess(done.made, done.parts)
        self.assertEqual(content_of(self.folder / "one"), content_of(path))

    def test_all_rows_packed_at_once(self):
        _, path = self.run_ray("planned", histogram=True, workers=1)
        self.assertEqual(content_of(self.folder / "one-planned"), content_of(path))

    def test_files_are_parts_and_one_bad_row_is_named(self):
        rows, names = rows_of(), []
        for number in range(4):
            names.append(str(self.folder / f"texts-{number}.jsonl"))
            with open(names[-1], "w") as file:
                file.writelines(
                    f'{{"input_ids": {rows["input_ids"][row].tolist()}}}\n'
                    for row in range(number * 30, number * 30 + 30)
                )
        bulk.run(names, self.executable, self.folder / "files")
        _, path = self.run_ray("files-ray", names, workers=1)
        self.assertEqual(content_of(self.folder / "files"), content_of(path))
        with open(names[2], "a") as file:
            file.write(f'{{"input_ids": {list(range(tiny.LENGTH + 1))}}}\n')
        with self.assertRaisesRegex(tessera.Error, "has 33 tokens, must be 1..32"):
            self.run_ray("files-bad", names, workers=1)

    def test_map_batches_answers_as_one_process(self):
        made = dataset().map_batches(
            tessera.PackedModel,
            fn_constructor_kwargs={"executable": self.executable},
            batch_format="numpy",
            batch_size=64,
            compute=ray.data.ActorPoolStrategy(size=1),
        )
        rows = rows_of()
        want = tessera.PackedModel(self.executable)(rows)["end_logits"]
        place = {int(key): row for row, key in enumerate(rows["id"])}
        seen = set()
        for row in made.iter_rows():
            seen.add(row["id"])
            np.testing.assert_array_equal(row["end_logits"], want[place[row["id"]]])
        self.assertEqual(seen, set(place))

    def test_a_sweep_on_ray_has_the_same_rows(self):
        lists = {"rows": (2, 4), "row_length": (32,), "forms": ["B"], "targets": ("test",)}
        here = tessera.sweep(tiny.model(), [5, 30, 17], **lists)
        there = tessera.sweep(
            tiny.model(), [5, 30, 17], self.folder / "sweep.parquet", ray="auto", **lists
        )
        told = [[{**row, "compile_seconds": 0} for row in found.rows] for found in (here, there)]
        self.assertEqual(*told)
        self.assertEqual(len(bulk.read_part(str(self.folder / "sweep.parquet"))["rows"]), 2)


class Nodes(Case):
    """Two nodes of one core each, on this machine."""

    @classmethod
    def start(cls):
        cls.node = {"num_cpus": 1, "object_store_memory": 160 << 20}
        cls.cluster = Cluster(initialize_head=True, head_node_args=cls.node)
        cls.second = cls.cluster.add_node(**cls.node)
        ray.init(address=cls.cluster.address, log_to_driver=False)

    @classmethod
    def stop(cls):
        ray.shutdown()
        cls.cluster.shutdown()

    def test_a_node_that_goes_costs_no_row_and_no_byte(self):
        gone = []

        def remove(progress):
            if not gone:
                gone.append(True)
                self.cluster.remove_node(self.second, allow_graceful=False)
                self.cluster.add_node(**self.node)

        done, path = self.run_ray("node", progress=remove)
        self.assertTrue(gone)
        self.assertEqual(done.work.rows, ROWS)
        self.assertEqual(content_of(self.folder / "one"), content_of(path))


if __name__ == "__main__":
    unittest.main()
