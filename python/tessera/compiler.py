# SPDX-License-Identifier: Apache-2.0
"""From a model to an executable."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from tessera import _core
from tessera.documents import Check, Inspection, Profile
from tessera.errors import UsageError
from tessera.types import (
    Arrays,
    Converted,
    ExecutableFile,
    Limits,
    Model,
    ModelInput,
    Pass,
    Path,
    Verification,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from tessera.types import CompileOptions

__all__ = [
    "check",
    "compile",
    "convert",
    "file_names",
    "inspect",
    "load",
    "make_model",
    "model_inputs",
    "passes",
    "quantize",
    "verify",
]


def _bytes_of(value: Any) -> bytes | None:
    """The file of a model or an executable in memory, as bytes; None for a path."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if hasattr(value, "SerializeToString"):  # onnx.ModelProto
        serialized: bytes = value.SerializeToString()
        return serialized
    if hasattr(value, "read"):
        content = value.read()
        if not isinstance(content, bytes):
            raise UsageError("model: a file that reads text, must be open for reading bytes")
        return content
    return None


@contextlib.contextmanager
def as_file(value: Any, name: str) -> Iterator[Path]:
    """The path of a file with these bytes, which is removed again; a path is itself."""
    content = _bytes_of(value)
    if content is None:
        yield value
        return
    with tempfile.TemporaryDirectory(prefix="tessera-") as folder:
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        yield path


def compile(
    model: Model,
    output: Path | None = None,
    *,
    label: str = "",
    **options: Unpack[CompileOptions],
) -> _core.Executable:
    """Compiles an ONNX model (``tessera.types.Model``: a path, bytes, an open file or an
    ``onnx.ModelProto``); writes it to ``output`` (a ``.popef`` file) if that is given. ``label`` is
    kept in the executable: a version, a purpose.

    Keywords are ``tessera.CompileOptions``, with the command line's names and defaults; any other
    is a ``UsageError`` that names the nearest. Equal models and options give equal files. The
    interpreter lock is released meanwhile; any number of threads may compile at once.

    Raises ``UsageError``, ``BadFileError`` (no ONNX model), ``Error`` (an op that is not supported,
    by node), ``OutOfMemoryError`` (``output`` is written all the same), ``RefusedError`` (more than
    ``limits`` allow)."""
    with as_file(model, "model.onnx") as path:
        return _core.compile(path, output, label, dict(options))


def convert(model: Model, output: Path, **options: Unpack[CompileOptions]) -> Converted:
    """Writes the model as it is after the passes, as ONNX. Options and errors as ``compile``.

    Gives what was done: ``path``, ``nodes``, ``inputs`` and ``outputs`` (their numbers), ``passes``
    (those that changed it), ``warnings``, ``packing`` (``tessera.Packing`` or None)."""
    with as_file(model, "model.onnx") as path:
        return _core.convert(path, output, dict(options))


def check(
    model: Model,
    *,
    reference: str = "interpreter",
    requests: Mapping[str, Mapping[str, Sequence[int]]] | None = None,
    random_requests: int = 6,
    seed: int = 1,
    tolerance: float | None = None,
    by_layer: bool = False,
    threads: int = 0,
    **options: Unpack[CompileOptions],
) -> Check:
    """Whether a model is right here: the JSON of ``tessera check --json``.

    What is not supported, by node; what its inputs mean; how its requests may be padded and packed;
    and how far every output is from ``reference``: ``"interpreter"`` (ours, of the model before any
    pass) or ``"onnxruntime"`` (by this Python, without optimisations). ``requests`` are your own,
    each an array a token input, by name; ``random_requests`` more are drawn. ``tolerance`` is a
    share of an output's largest magnitude (1e-4 in fp32, 2e-2 in fp16, 0.2 in fp8). ``all_well`` of
    the result says whether all is supported and within it.

    Raises ``UsageError``, ``BadFileError``, ``RefusedError``, and ``Error`` where a request is
    wrong or the reference cannot be had."""
    own = {
        name: {key: [int(value) for value in values] for key, values in request.items()}
        for name, request in (requests or {}).items()
    }
    settings = (reference, sys.executable, random_requests, seed, tolerance, by_layer, threads)
    with as_file(model, "model.onnx") as path:
        told: Check = json.loads(_core.check(path, own, settings, dict(options)))
    return told


def quantize(
    model: Model,
    output: Path,
    *,
    scales: str = "token",
    calibration: Iterable[Arrays] = (),
    random_requests: int = 8,
    seed: int = 1,
    skip_op_names: Iterable[str] = (),
    skip_most_sensitive: int = 0,
    max_error: float | None = None,
    input_shape: Mapping[str, Sequence[int]] | None = None,
    threads: int = 0,
    limits: Limits | None = None,
) -> dict[str, Any]:
    """Writes an ONNX model whose matmuls by weights multiply 8-bit integers, and measures it beside
    the model of floats: the JSON of ``tessera quantize --json``.

    ``scales``: ``"token"`` (each token has its own, found while the model runs), ``"tensor"`` (each
    value has one, found while it runs) or ``"static"`` (each value has one, fixed by
    ``calibration``). ``calibration`` holds what the model will be given, each a request (arrays
    ``[length]`` by token input) or rows as the model takes them; without it numbers are drawn at
    random. ``skip_op_names`` are matmuls that stay in floats, by node or by what they make;
    ``skip_most_sensitive`` counts others, and ``max_error`` takes as many as needed until the error
    of every output is at most this. ``input_shape`` is that of the batches that are run.

    Of the result, ``outputs`` and ``matmuls`` have the errors, ``error`` being the length of the
    difference over that of the right answer; ``warnings`` are for people. Raises ``UsageError``,
    ``BadFileError``, ``RefusedError``, and ``Error`` where a sample does not fit or ``max_error``
    cannot be kept: then nothing is written."""
    samples = [(str(i), arrays) for i, arrays in enumerate(calibration)]
    settings = (
        scales,
        random_requests,
        seed,
        list(skip_op_names),
        skip_most_sensitive,
        max_error,
        threads,
    )
    options: dict[str, Any] = {}
    if input_shape is not None:
        options["input_shape"] = input_shape
    if limits is not None:
        options["limits"] = limits
    with as_file(model, "model.onnx") as path:
        told: dict[str, Any] = json.loads(_core.quantize(path, output, samples, settings, options))
    return told


def load(
    path: ExecutableFile,
    *,
    limits: Limits | None = None,
    require_signature: Path | None = None,
) -> _core.Executable:
    """Reads a ``.popef`` file (``tessera.types.ExecutableFile``: its path, its bytes or an open
    file) and verifies it. ``BadFileError`` if it is damaged, ``RefusedError`` if that would cost
    more than ``limits`` (``tessera.types.Limits``) say.

    ``require_signature``: a public key, by its file or as text; a file that it did not sign
    (``tessera sign``, ``minisign -S``) is a ``BadFileError``. What was checked is what is
    loaded."""
    in_memory = not isinstance(path, (str, os.PathLike))
    if in_memory and require_signature is not None:
        raise UsageError("require_signature: is for files, must not be given with bytes")
    with as_file(path, "executable.popef") as file:
        return _core.load(file, limits, require_signature)


def verify(
    path: Path,
    *,
    limits: Limits | None = None,
    require_signature: Path | None = None,
) -> Verification:
    """Checks a ``.popef`` file, and says what was checked, with counts (``tessera.Verification``).
    Nothing is compiled, run or written. Arguments and errors as ``load``: a file that is not sound
    raises."""
    return _core.verify(path, limits, require_signature)


def held_executable(
    executable: ExecutableFile,
    limits: Limits | None,
    require_signature: Path | None,
) -> _core.Executable:
    """An executable as it is, or a file, loaded."""
    if not isinstance(executable, _core.Executable):
        return load(executable, limits=limits, require_signature=require_signature)
    if require_signature is not None:
        raise UsageError("require_signature: is for files, must not be given with an Executable")
    return executable


def passes() -> tuple[Pass, ...]:
    """The passes in the order in which they run."""
    return tuple(Pass(*row) for row in _core.passes())


@overload
def inspect(
    executable: ExecutableFile,
    *,
    limits: Limits | None = None,
    require_signature: Path | None = None,
    profile: Literal[False] = False,
) -> Inspection: ...


@overload
def inspect(
    executable: ExecutableFile,
    *,
    limits: Limits | None = None,
    require_signature: Path | None = None,
    profile: Literal[True],
) -> Profile: ...


def inspect(
    executable: ExecutableFile,
    *,
    limits: Limits | None = None,
    require_signature: Path | None = None,
    profile: bool = False,
) -> Inspection | Profile:
    """An executable's parts and its costs: the JSON of ``tessera inspect --json``.

    Among its fields are ``model``, ``target``, ``options``, ``anchors``, ``packing``, ``memory``
    (bytes on the fullest tile, and what takes most of them), ``cycles`` (modelled, a batch),
    ``supersteps``, and of a file ``blobs``. With ``profile=True`` it is the JSON of
    ``tessera inspect --cycles --json``: cycles and memory by superstep and by tile, with the field
    names of Poplar's profiles. ``limits`` and ``require_signature`` as ``load``; the latter is for
    files."""
    if require_signature is not None and isinstance(executable, _core.Executable):
        raise UsageError("require_signature: is for files, must not be given with an Executable")
    with as_file(executable, "executable.popef") as path:
        told: Inspection | Profile = json.loads(
            _core.inspect(path, limits, require_signature, profile)
        )
    return told


def make_model(
    path: Path,
    preset: str = "base",
    *,
    gelu: str = "erf",
    seed: int | None = None,
    **sizes: int,
) -> None:
    """Writes an encoder as an exporter writes it, with seeded weights: ``tiny``, ``mini``,
    ``minilm``, ``base`` or ``large`` (BERT), ``albert``, ``vit`` or ``roformer-small``.

    ``sizes`` override the preset's: ``layers``, ``hidden``, ``heads``, ``ffn``, ``vocab``,
    ``max_position``. Equal arguments give equal bytes."""
    known = ("layers", "hidden", "heads", "ffn", "vocab", "max_position")
    for name in sizes:
        if name not in known:
            raise UsageError(
                f"make_model: '{name}' is not a size, must be one of {', '.join(known)}"
            )
    _core.make_model(path, preset, sizes, gelu, seed)


def model_inputs(model: Model) -> tuple[ModelInput, ...]:
    """The inputs of an ONNX model, before anything is fixed."""
    with as_file(model, "model.onnx") as path:
        return tuple(ModelInput(*row) for row in _core.model_inputs(path))


def file_names(names: Iterable[str], others: Iterable[str] = ()) -> dict[str, str]:
    """The ``.npy`` file of each tensor, as the command line reads and writes them. ``others`` are
    tensors of the same model whose files these must not be: the inputs, for outputs."""
    return _core.file_names(list(names), list(others))
