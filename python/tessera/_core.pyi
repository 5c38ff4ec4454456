# The compiled half. Private: what is public stands in the package.
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from tessera.futures import Future
from tessera.types import (
    Arrays,
    Converted,
    Cycles,
    Limits,
    Memory,
    Packing,
    Path,
    RunnerMetrics,
    Tensor,
    Verification,
)

__version__: str

class Executable:
    """A compiled model: what `tessera.compile` made or a `.popef` file holds. Immutable and
    thread-safe."""

    @property
    def inputs(self) -> tuple[Tensor, ...]: ...
    @property
    def outputs(self) -> tuple[Tensor, ...]: ...
    @property
    def packing(self) -> Packing | None:
        """None if it was compiled without packing."""

    @property
    def memory(self) -> Memory:
        """`peak_bytes` on the fullest tile `peak_tile` at `peak_superstep`, `always_live_bytes`
        there, and whether all `fits`."""

    @property
    def cycles(self) -> Cycles:
        """Modelled, per batch: `total`, `compute`, `rearrange`, `exchange`, `sync`, and
        `seconds_per_batch` at the target's clock. Never host time."""

    @property
    def model_name(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def options(self) -> str:
        """Canonical text of the compile options."""

    @property
    def target(self) -> str: ...
    @property
    def report(self) -> str:
        """What the compiler noted, as JSON: passes, and cycles by codelet; "" if the file has
        none."""

    @property
    def phases_ms(self) -> dict[str, float]:
        """Host time by phase of the compile; empty where it was read from a file."""

    @property
    def warnings(self) -> list[str]: ...
    def save(self, path: Path) -> None:
        """Writes the `.popef` file, whole or not at all."""

    def to_bytes(self) -> bytes:
        """The `.popef` file, which `tessera.load` takes back. Pickling does the same."""

class ModelRunner:
    def __init__(
        self,
        executable: Path | Executable,
        threads: int,
        isolated: bool,
        limits: Limits | None,
    ) -> None: ...
    def run(self, inputs: Arrays, outputs: Arrays | None) -> dict[str, np.ndarray[Any, Any]]: ...
    def submit(self, inputs: Arrays, outputs: Arrays | None, future: Future) -> None: ...
    def close(self) -> None: ...
    def closed(self) -> bool: ...
    def executable(self) -> Executable: ...
    def load_seconds(self) -> float: ...

class RowCall: ...

class PackRunner:
    def __init__(
        self,
        executable: Path | Executable,
        threads: int,
        isolated: bool,
        options: Mapping[str, Any],
        limits: Limits | None,
    ) -> None: ...
    def submit(
        self,
        request: Arrays,
        outputs: Arrays | None,
        priority: int,
        deadline: float | None,
        wait: float | None,
        future: Future,
    ) -> int | RowCall: ...
    def cancel(self, taken: int | RowCall) -> bool: ...
    def flush(self) -> None: ...
    def drain(self) -> None: ...
    def records(self) -> list[tuple[int, int, int, str, float]]: ...
    def metrics(self) -> RunnerMetrics: ...
    def close(self) -> None: ...
    def closed(self) -> bool: ...
    def executable(self) -> Executable: ...

class Session:
    def __init__(
        self,
        model: Path,
        events: Path | None,
        threads: int,
        isolated: bool,
        options: Mapping[str, Any],
    ) -> None: ...
    def run(self, inputs: Arrays, outputs: Arrays | None) -> dict[str, np.ndarray[Any, Any]]: ...
    def events(self) -> list[str]: ...
    def metrics(self) -> str: ...
    def finish_background(self) -> None: ...
    def close(self) -> None: ...
    def closed(self) -> bool: ...

def compile(
    model: Path, output: Path | None, label: str, options: Mapping[str, Any]
) -> Executable: ...
def convert(model: Path, output: Path, options: Mapping[str, Any]) -> Converted: ...
def check(
    model: Path,
    requests: Mapping[str, Mapping[str, Sequence[int]]],
    settings: tuple[str, str, int, int, float | None, bool, int],
    options: Mapping[str, Any],
) -> str: ...
def quantize(
    model: Path,
    output: Path,
    calibration: Sequence[tuple[str, Arrays]],
    settings: tuple[str, int, int, Sequence[str], int, float | None, int],
    options: Mapping[str, Any],
) -> str: ...
def calibrate_fp8(
    model: Path,
    calibration: Sequence[tuple[str, Arrays]],
    settings: tuple[str, int, int],
    options: Mapping[str, Any],
) -> tuple[str, list[str], list[tuple[str, str, dict[str, float]]]]: ...
def bench(
    executables: Sequence[tuple[str, Executable]],
    settings: Mapping[str, float | str],
    threads: int,
    limits: Limits | None,
) -> str: ...
def tune(seconds: float, threads: int, keep: bool) -> str: ...
def bench_online(
    executable: Executable | None,
    online: Mapping[str, Any],
    drawn: tuple[float, int, int, int],
    threads: int,
    limits: Limits | None,
) -> str: ...
def load(path: Path, limits: Limits | None, require_signature: Path | None) -> Executable: ...
def verify(path: Path, limits: Limits | None, require_signature: Path | None) -> Verification: ...
def model_inputs(path: Path) -> list[tuple[str, str, tuple[int, ...]]]: ...
def file_names(names: Sequence[str], others: Sequence[str]) -> dict[str, str]: ...
def unescaped(word: str) -> str: ...
def visible(text: str) -> str: ...
def inspect(
    executable: Path | Executable,
    limits: Limits | None,
    require_signature: Path | None,
    profile: bool,
) -> str: ...
def make_model(
    path: Path, preset: str, sizes: Mapping[str, int], gelu: str, seed: int | None
) -> None: ...
def report(
    executables: Sequence[Path | Executable],
    events: Sequence[tuple[str, Sequence[str]]],
    record: Path | None,
    plan: Path | tuple[Packing | Executable, str, Sequence[Sequence[tuple[int, int, int]]]] | None,
    figures: Sequence[tuple[str, str, str]],
    limits: Limits | None,
    require_signature: Path | None,
) -> tuple[str, str]: ...
def trace(
    executable: Executable | None, record: Path | None, log: tuple[str, Sequence[str]]
) -> tuple[bytes, int]: ...
def passes() -> list[tuple[str, str, bool]]: ...
def runner_option_rows() -> list[tuple[str, str, str, str]]: ...
def compile_option_rows() -> list[tuple[str, str, str, str, str, str, tuple[str, ...]]]: ...
def read_events(path: Path) -> list[tuple[str, str]]: ...
def advise(events: Sequence[str]) -> list[str]: ...
def recompile_difference(before: str, after: str) -> str: ...

policies: tuple[str, ...]

def pack(
    lengths: list[int], packing: Packing | Executable, policy: str
) -> list[tuple[tuple[tuple[int, int, int], ...], int]]: ...
def pack_compare(
    lengths: list[int], packing: Packing | Executable, rule: tuple[int, int, int]
) -> str: ...
def pack_tune(
    lengths: list[int],
    model: Path | None,
    executables: Sequence[Path],
    search: tuple[list[int], list[int], str, float, int, float],
    options: Mapping[str, Any],
    require_signature: Path | None,
) -> str: ...
def packed_inputs(
    packing: Packing | Executable,
    placements: tuple[tuple[int, int, int], ...],
    requests: Sequence[Arrays],
) -> dict[str, np.ndarray[Any, Any]]: ...
def run_requests(
    runner: ModelRunner,
    requests: Iterable[Arrays],
    policy: str,
    one_batch: bool,
    strip_padding: bool,
) -> list[dict[str, np.ndarray[Any, Any]]]: ...
def read_histogram(path: str) -> dict[int, int]: ...
def take_completions() -> list[tuple[Future, Any, BaseException | None, list[str]]]: ...
def stop_completions() -> None: ...
def finish_calls() -> None: ...
