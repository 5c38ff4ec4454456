# SPDX-License-Identifier: Apache-2.0
"""Models as PopRT takes them: paths, bytes, or `onnx.ModelProto`s. `onnx` itself is never
imported."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import Any, Optional

import tessera
from poprt_compat.warn import no_meaning

Shapes = dict[str, tuple[int, ...]]


@contextlib.contextmanager
def model_path(model: Any) -> Iterator[str]:
    """The path of a file that holds the model, for as long as the `with` lasts."""
    if isinstance(model, (str, os.PathLike)):
        yield os.fspath(model)
        return
    if hasattr(model, "SerializeToString"):
        model = model.SerializeToString()
    if not isinstance(model, (bytes, bytearray)):
        raise tessera.UsageError(
            f"model: is a {type(model).__name__}, must be a path, bytes or an onnx.ModelProto"
        )
    with tempfile.TemporaryDirectory(prefix="poprt-compat-") as folder:
        path = os.path.join(folder, "model.onnx")
        with open(path, "wb") as file:
            file.write(model)
        yield path


def fixed_shapes(
    path: str,
    input_shape: Optional[dict[str, Any]] = None,
    batch_size: Optional[int] = None,
    batch_axis: int = 0,
) -> Shapes:
    """The shapes for ``input_shape``: what the caller gave, with ``batch_size`` on the variable
    batch dimensions of the other inputs. Positions are dropped where the model has no such input:
    Tessera finds them in the graph."""
    declared = {i.name: i.shape for i in tessera.model_inputs(path)}
    shapes = {name: tuple(shape) for name, shape in (input_shape or {}).items()}
    if "position_ids" in shapes and "position_ids" not in declared:
        del shapes["position_ids"]
        no_meaning("the shape of position_ids", "the model has no such input, and needs none")
    if batch_size is not None:
        for name, shape in declared.items():
            if name in shapes or len(shape) <= batch_axis or shape[batch_axis] >= 0:
                continue
            fixed = (*shape[:batch_axis], batch_size, *shape[batch_axis + 1 :])
            if min(fixed) >= 0:  # else the other dimensions are for input_shape to fix
                shapes[name] = fixed
    return shapes
