# SPDX-License-Identifier: Apache-2.0
"""Bulk work on a Ray cluster (``pip install 'tessera[ray]'``; docs/scale.md).

    import ray
    import tessera.ray

    dataset = ray.data.read_parquet("texts/")        # columns id and input_ids
    done = tessera.ray.run(dataset, "packed.popef", "/shared/answers", workers=64)

``run`` does a whole job: it answers every row once, whatever workers and nodes are lost, and leaves
the bytes that ``tessera.bulk.run`` leaves in one process. ``PackedModel`` is the class for
``map_batches`` of your own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tessera import _core
from tessera.bulk import (
    Bulk,
    Meter,
    Plan,
    Progress,
    answer_part,
    finish,
    is_files,
    make_plan,
    read_rows,
    rows_where,
    settings_of,
)
from tessera.bulk_parts import Folder, Part, part_of
from tessera.errors import Error, UsageError
from tessera.extras import needed
from tessera.packed_model import Columns, PackedModel, Work
from tessera.types import Path

if TYPE_CHECKING:
    from tessera.bulk import Settings

__all__ = ["PackedModel", "run"]

_PART = "tessera_part"
_MOST_BLOCKS = 4096  # of a shuffle
_Row = dict[str, Any]


class _Held:
    """A worker. It loads once the executable from Ray's store, and knows where parts go."""

    def __init__(
        self,
        executable: Any,
        model: Mapping[str, Any],
        folder: Folder,
        key: str,
        plan: Any,
        retries: int,
    ) -> None:
        ray = needed("ray", "ray", "tessera.ray")
        self.model = PackedModel(ray.get(executable), **model)
        self.plan: Plan | None = None if plan is None else ray.get(plan)
        self.folder, self.key, self.retries = folder, key, retries

    def answered(self, number: int, read: Callable[[], Columns]) -> _Row:
        self.folder.begin(number, self.retries + 1)
        part = answer_part(self.model, self.folder, number, read, self.key, self.plan)
        told: _Row = {"part": part.number, "sha256": part.sha256, "fresh": part.fresh}
        told.update(worker=part.worker, **part.work._asdict())
        return {name: np.array([value]) for name, value in told.items()}


class _PartWorker(_Held):
    """Blocks of whole parts."""

    def __call__(self, rows: dict[str, Any]) -> _Row:
        part = rows.pop(_PART)
        told = []
        for number in np.unique(part).tolist():
            told.append(self.answered(number, functools.partial(rows_where, rows, part == number)))
        return {name: np.concatenate([one[name] for one in told]) for name in (told or [{}])[0]}


class _FileWorker(_Held):
    """A file is a part."""

    def __call__(self, rows: dict[str, Any]) -> _Row:
        read = functools.partial(read_rows, str(rows["path"][0]))
        return self.answered(int(rows["number"][0]), read)


def _deal(rows: dict[str, Any], key: str, parts: int, done: Sequence[int], plan: Any) -> _Row:
    """Says of each row to which part it goes, and leaves out those whose part is done."""
    held: Plan | None = None if plan is None else needed("ray", "ray", "tessera.ray").get(plan)
    keys = rows[key]
    part = part_of(keys, parts) if held is None else held.parts_of(keys)
    stays = ~np.isin(part, np.array(done, np.int64))
    return rows_where({**rows, _PART: part.astype(np.int64)}, stays)


class _Measurer:
    """Keys and lengths alone."""

    def __init__(self, executable: Any, model: Mapping[str, Any], key: str) -> None:
        ray = needed("ray", "ray", "tessera.ray")
        self._model, self._key = PackedModel(ray.get(executable), **model), key

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        lengths = np.array(self._model.lengths(rows), np.int64)
        return {"key": rows[self._key], "length": lengths}


def run(
    dataset: Any,
    executable: Path | bytes | _core.Executable,
    output: Path,
    *,
    workers: int | tuple[int, int] = 2,
    cpus_per_worker: int = 1,
    key: str = "id",
    rows: int | None = None,
    part_rows: int = 65536,
    histogram: bool = False,
    file_format: str = "parquet",
    retries: int = 16,
    progress: Callable[[Progress], None] | None = None,
    **model: Any,
) -> Bulk:
    """Answers every row of a Ray ``Dataset``, or of files, into the folder ``output``, which all
    nodes must see.

    ``workers`` are actors (or the fewest and the most of them), each of ``cpus_per_worker`` cores;
    each loads the executable once. A part of some ``part_rows`` rows is answered by one of them and
    written whole; a worker or node that is lost is replaced, up to ``retries`` times a part, and
    what it had finished is not made again. So it is where the job itself is ended: the same call
    goes on with the parts that are missing.

    ``dataset``: a ``ray.data.Dataset`` whose column ``key`` numbers or names each row once: rows
    are brought together by part, with a shuffle of the inputs. Files (a list of ``.parquet`` or
    ``.jsonl``) are parts as they are, and nothing is shuffled: the way to take for very many rows.
    ``rows``: how many the data set has, where counting it would be a pass of its own. The other
    arguments, and what is raised, are as of ``tessera.bulk.run``: same arguments, same bytes."""
    ray = needed("ray", "ray", "tessera.ray.run")
    data = needed("ray.data", "ray", "tessera.ray.run")
    files = list(dataset) if is_files(dataset) else None
    if files is None and not isinstance(dataset, data.Dataset):
        raise UsageError("dataset: must be a ray.data.Dataset, or a list of files")
    count = 0 if files is not None else int(dataset.count() if rows is None else rows)
    settings = settings_of(
        executable,
        output,
        files=files,
        rows=count,
        key=key,
        histogram=histogram,
        part_rows=part_rows,
        file_format=file_format,
        model={"threads": cpus_per_worker, **model},
    )
    settings.made_model().close()  # a slip in its options is told before anything is written
    settings.folder.claim()
    held = ray.put(settings.executable)
    settings.folder.forget_attempts()
    done = settings.folder.all_done()
    actors = {
        "compute": data.ActorPoolStrategy(**_pool(workers)),
        "num_cpus": cpus_per_worker,
    }
    meter = Meter(count, progress)
    for part in done.values():
        meter.add(part)
    try:
        plan = _planned(ray, dataset, settings, held, part_rows, actors) if histogram else None
        arguments = (held, settings.model, settings.folder, settings.key, plan, retries)
        if files is not None:
            answered = _by_files(data, files, done, arguments, actors)
        else:
            dealing = {"key": key, "parts": settings.parts, "done": sorted(done), "plan": plan}
            answered = _by_keys(dataset, dealing, arguments, actors)
        for row in answered.iter_rows() if answered is not None else ():
            part = _part(row)
            done[part.number] = part
            meter.add(part)
    except ray.exceptions.RayError as error:
        raise _ours(error) from error
    return finish(settings.folder, done.values(), count, len(files or ()))


def _pool(workers: int | tuple[int, int]) -> dict[str, int]:
    if isinstance(workers, int):
        return {"size": workers}
    return {"min_size": workers[0], "max_size": workers[1]}


def _planned(
    ray: Any, dataset: Any, settings: Settings, held: Any, part_rows: int, actors: Mapping[str, Any]
) -> Any:
    measured = dataset.map_batches(
        _Measurer,
        fn_constructor_args=(held, settings.model, settings.key),
        batch_format="numpy",
        **actors,
    )
    keys, lengths = [], []
    for batch in measured.iter_batches(batch_format="numpy"):
        keys.append(batch["key"])
        lengths.append(batch["length"])
    if not keys:
        raise Error("dataset: has no rows, must have at least one")
    policy = settings.model.get("policy", "lpfhp")
    plan = make_plan(
        np.concatenate(keys), np.concatenate(lengths), settings.executable, policy, part_rows
    )
    return ray.put(plan)


def _by_keys(
    dataset: Any, dealing: Mapping[str, Any], arguments: tuple[Any, ...], actors: Mapping[str, Any]
) -> Any:
    """The workers start when all rows lie with their parts: an actor holds its cores from its start
    to its end, and on a small cluster none would be left for the shuffle."""
    missing = dealing["parts"] - len(dealing["done"])
    if missing <= 0:
        return None
    dealt = dataset.map_batches(_deal, fn_kwargs=dealing, batch_format="numpy")
    together = dealt.repartition(min(missing, _MOST_BLOCKS), keys=[_PART]).materialize()
    return together.map_batches(
        _PartWorker,
        fn_constructor_args=arguments,
        batch_size=None,
        batch_format="numpy",
        **actors,
    )


def _by_files(
    data: Any,
    files: Sequence[Path],
    done: Mapping[int, Part],
    arguments: tuple[Any, ...],
    actors: Mapping[str, Any],
) -> Any:
    missing = [
        {"number": number, "path": str(path)}
        for number, path in enumerate(files)
        if number not in done
    ]
    if not missing:
        return None
    listed = data.from_items(missing, override_num_blocks=len(missing))
    return listed.map_batches(
        _FileWorker,
        fn_constructor_args=arguments,
        batch_size=1,
        batch_format="numpy",
        **actors,
    )


def _part(row: Mapping[str, Any]) -> Part:
    work = Work(*(int(row[name]) for name in Work._fields))
    return Part(int(row["part"]), work, str(row["sha256"]), bool(row["fresh"]), int(row["worker"]))


def _ours(error: BaseException) -> BaseException:
    """The error that a worker raised, where it is one of ours."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, Error):
            return seen
        seen = getattr(seen, "cause", None) or seen.__cause__
    return Error(f"Ray: {error}")
