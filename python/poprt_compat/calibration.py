# SPDX-License-Identifier: Apache-2.0
"""PopRT's calibration of fp8: its flags, and its file of data."""

import argparse
import io
import pickle
import sys
from typing import Any

import numpy as np

import tessera
from poprt_compat.warn import no_meaning

#: All that pickled arrays of numbers name. A pickle may name any function and call it.
_OF_ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("_codecs", "encode"),
    *(
        (f"numpy.{core}.{module}", name)
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("numeric", "_frombuffer"))
    ),
}


class _Arrays(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _OF_ARRAYS:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of an array")
        return super().find_class(module, name)


def read_data(path: str) -> list[dict[str, Any]]:
    """Arrays by input: of a NumPy archive, or of a pickle that holds a dict or a list of them."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise tessera.Error(f"--data_preprocess: {path}: {error.strerror}") from None
    try:
        if content.startswith(b"PK"):
            with np.load(io.BytesIO(content), allow_pickle=False) as archive:
                return [dict(archive)]
        data = _Arrays(io.BytesIO(content)).load()
    except Exception as error:  # noqa: BLE001 - a broken pickle raises whatever it comes to
        raise tessera.Error(
            f"--data_preprocess: {path}: cannot be read ({error}), must be arrays by input in a "
            "pickle, or a NumPy archive (.npz)"
        ) from None
    samples = data if isinstance(data, list) else [data]
    if not samples or not all(isinstance(sample, dict) for sample in samples):
        raise tessera.Error(f"--data_preprocess: {path}: must hold a dict of arrays by input")
    return samples


def add_flags(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--calibration_with_data", action="store_true", help="find fp8's scales by data")
    add("--data_preprocess", metavar="FILE", help="arrays by input: a pickle or a .npz")
    add("--calibration_loss_type", default="kld", metavar="{mse,mae,snr,kld,cos_dist}")
    add("--num_of_layers_keep_fp16", type=int, default=0, metavar="N")
    add("--precision_compare", action="store_true", help="print each product's error in fp8")


def _print(matmuls: tuple[tessera.Fp8Matmul, ...]) -> None:
    for one in sorted(matmuls, key=lambda matmul: -matmul.losses["snr"]):
        losses = " ".join(f"{name} {loss:.3g}" for name, loss in one.losses.items())
        print(f"{one.name} {one.fp8_params} {losses}", file=sys.stderr)


def calibrated(args: argparse.Namespace, options: dict[str, Any]) -> dict[str, Any]:
    """The options, with scales by data where the flags ask for them."""
    if args.precision not in ("fp8", "fp8_weight"):
        if args.calibration_with_data or args.precision_compare:
            no_meaning("--calibration_with_data", "precision is neither fp8 nor fp8_weight")
        return options
    if not args.calibration_with_data:
        if args.precision_compare or args.num_of_layers_keep_fp16:
            raise tessera.UsageError(
                "--precision_compare, --num_of_layers_keep_fp16: must be with "
                "--calibration_with_data"
            )
        return options
    if not args.data_preprocess:
        raise tessera.UsageError("--calibration_with_data: must be with --data_preprocess FILE")
    found = tessera.calibrate_fp8(
        args.input_model,
        read_data(args.data_preprocess),
        calibration_loss_type=args.calibration_loss_type,
        num_of_layers_keep_fp16=args.num_of_layers_keep_fp16,
        **options,
    )
    if args.precision_compare:
        _print(found.matmuls)
    return dict(found.options)
