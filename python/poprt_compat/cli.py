# SPDX-License-Identifier: Apache-2.0
"""poprt.cli: PopRT's command line. Every spelling of it is taken; what has no meaning here is
warned of once, and what cannot be done is an error with the command line's exit codes."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, Optional

import numpy as np

import tessera
from poprt_compat import calibration, passes
from poprt_compat.compiler import DEFAULTS as COMPILER_DEFAULTS
from poprt_compat.compiler import MEANT, CompilerOptions
from poprt_compat.converter import DEFAULTS, compile_options
from poprt_compat.options import ROWS, Row
from poprt_compat.warn import exit_code, no_meaning
from tessera._core import unescaped, visible

#: Options that are taken and do nothing: name, number of words, default.
NO_MEANING = [
    ("infer_shape_ahead", 0, False),
    ("convert_version", 1, None),
    ("enable_avoid_overflow_patterns", 0, False),
    ("custom_pass_config", 1, None),
    ("disable_fast_norm", 0, False),
    ("enable_erf_gelu", 0, False),
    ("enable_insert_remap", 0, False),
    ("remap_mode", "*", None),
    ("enable_compress_pattern", 0, False),
    ("merge_if_with_same_cond", 0, False),
    ("fold_periodic_initializer", 0, False),
    ("max_tensor_size", 1, None),
    ("optimize_internal_exchange_code", 0, False),
    ("serialize_matmul", "*", None),
    ("serialize_matmul_add", "*", None),
    ("merge_matmul", "*", None),
    ("merge_matmul_add", "*", None),
    ("merge_moe", "*", None),
    ("eightbitsio", 0, False),
    ("popart_options", "*", None),
    ("custom_library_so_paths", "*", None),
    ("custom_shape_inference", "*", None),
    ("manual_sharding_config", 1, None),
    ("only_manual_sharding", 0, False),
    ("apply_hcsr", "*", None),
    ("checkpoints", 1, None),
    ("remove_outputs", "*", None),
    ("perf_tuner", 0, False),
    ("disable_compilation_progress_bar", 0, False),
    ("logging_level", 1, None),
]


#: Options of CompilerOptions that are flags too.
COMPILER_FLAGS = ("num_io_tiles", "batches_per_step")


def argument_of(row: Row) -> dict[str, Any]:
    """How argparse takes an option."""
    if row.choices:
        return {"default": row.usual, "choices": list(row.choices)}
    if row.kind in ("shapes", "fields"):
        return {"nargs": "+", "default": [], "metavar": "NAME=VALUE"}
    if row.kind == "whole":
        return {"type": int, "default": int(row.usual)}
    if row.kind == "real":
        return {"type": float}
    return {"default": "", "metavar": "A,B"}


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="poprt",
        allow_abbrev=False,
        description="Converts and compiles ONNX models in PopRT's words, with Tessera.",
        epilog="example: poprt --input_model bert.onnx --input_shape input_ids=16,256 "
        "--precision fp16 --output_model bert_fp16.onnx --export_popef",
    )
    add = parser.add_argument
    add(
        "-v",
        "--version",
        action="version",
        version=f"poprt_compat of tessera {tessera.__version__}",
    )
    add("-i", "--input_model", metavar="MODEL.onnx")
    add("--framework", default="onnx", choices=["onnx", "tensorflow"])
    add("--output_model", metavar="NAME.onnx", help="the converted model (in --output_dir)")
    add("--output_dir", default="./", metavar="DIR")
    add("--batch_size", type=int, help="of all inputs whose batch is variable")
    add("--batch_axis", type=int, default=0)
    for row in ROWS:
        if row.converter or row.name in COMPILER_FLAGS:
            add("--" + row.name, help=row.help.replace("%", "%%"), **argument_of(row))
    calibration.add_flags(parser)
    add("--list_all_passes", action="store_true")
    add("--ipu_version", default="", choices=["ipu2", "ipu21", ""], metavar="{ipu2,ipu21}")
    add("--compiler_options", nargs="+", default=[], metavar="KEY=VALUE")
    add("--export_popef", action="store_true", help="write DIR/executable.popef")
    add("--run", action="store_true", help="run once compiled, on random values")
    add("--check", action="store_true", help="compare with ONNX Runtime, where it is installed")
    add("--show", action="store_true", help="print inputs and outputs")
    add("--show_io_stat", action="store_true", help="with --run: ranges of the outputs")
    add("--config_yaml", metavar="FILE", help="these options from a file")
    add("--print_completion", choices=["bash", "zsh"])
    for name, words, default in NO_MEANING:
        if words == 0:
            add("--" + name, action="store_true", help=argparse.SUPPRESS)
        else:
            many: dict[str, Any] = {"nargs": "+"} if words == "*" else {}
            add("--" + name, default=default, help=argparse.SUPPRESS, **many)
    return parser


def pairs(words: Sequence[str], flag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise tessera.UsageError(f"--{flag}: '{word}', must be KEY=VALUE")
        found[key] = value
    return found


def shapes_of(words: Sequence[str]) -> dict[str, Any]:
    shapes = {}
    for word in words:
        escaped, equals, dims = word.rpartition("=")
        if not equals or not escaped:
            raise tessera.UsageError(f"--input_shape: '{word}', must be NAME=D,D")
        name = unescaped(escaped)
        try:
            shapes[name] = tuple(int(d) for d in dims.split(","))
        except ValueError:
            raise tessera.UsageError(
                f"--input_shape {name}: '{dims}', must be whole numbers: D,D"
            ) from None
    return shapes


def pack_args_of(words: Sequence[str]) -> dict[str, str]:
    """head_pattern takes several words: those without `=` belong to the key before."""
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("head_pattern") and "=" not in word:
            joined[-1] += "," + word
        else:
            joined.append(word)
    return dict(pairs(joined, "pack_args"))


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    return {
        **DEFAULTS,
        **{row.converter: getattr(args, row.name) for row in ROWS if row.converter},
        "batch_size": args.batch_size,
        "batch_axis": args.batch_axis,
        "input_shape": shapes_of(args.input_shape),
        "pack_args": pack_args_of(args.pack_args),
    }


def warn_of_meaningless(args: argparse.Namespace) -> None:
    for name, _, default in NO_MEANING:
        if getattr(args, name) != default:
            no_meaning("--" + name)


def value_of(text: str, default: Any, flag: str) -> Any:
    """The text as a value of the default's type."""
    kind = type(default)
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind is str:
        return text
    try:
        if kind in (int, float):
            return kind(text)
    except ValueError:
        pass
    must = {bool: "True or False", int: "a whole number", float: "a number"}[kind]
    raise tessera.UsageError(f"{flag}: '{text}', must be {must}")


def target_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of the compiler alone. Names are CompilerOptions', which warns of those without a
    meaning."""
    settings: dict[str, Any] = {
        "ipu_version": args.ipu_version,
        **{name: getattr(args, name) for name in COMPILER_FLAGS},
    }
    if args.available_memory_proportion is not None:
        settings["available_memory_proportion"] = args.available_memory_proportion
    for key, text in pairs(args.compiler_options, "compiler_options").items():
        if key in MEANT:
            settings[key] = value_of(text, COMPILER_DEFAULTS[key], f"--compiler_options {key}")
        else:
            no_meaning(f"--compiler_options {key}")
    return CompilerOptions(**settings).compile_options()


def show(made: tessera.Executable) -> None:
    for kind, tensors in (("input", made.inputs), ("output", made.outputs)):
        for tensor in tensors:
            print(f"{kind:<7}{visible(tensor.name)} {tensor.dtype} {list(tensor.shape)}")


def random_feed(made: tessera.Executable) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(2023)
    feed = {}
    for tensor in made.inputs:
        if tensor.dtype.kind == "f":
            feed[tensor.name] = random.uniform(-1, 1, tensor.shape).astype(tensor.dtype)
        elif tensor.index_limit:
            feed[tensor.name] = random.integers(0, tensor.index_limit, tensor.shape).astype(
                tensor.dtype
            )
        else:
            feed[tensor.name] = np.ones(tensor.shape, tensor.dtype)
    return feed


def run_once(made: tessera.Executable, show_io_stat: bool, runs: int = 10) -> None:
    feed = random_feed(made)
    with tessera.ModelRunner(made) as runner:
        answers = runner.run(feed)
        start = time.perf_counter()
        for _ in range(runs):
            runner.run(feed)
        latency = (time.perf_counter() - start) / runs
    batch = made.inputs[0].shape[0] if made.inputs and made.inputs[0].shape else 1
    print(
        f"Bs: {batch}, Latency: {latency * 1e3:.4f} ms, "
        f"Tput: {batch / latency:.4f} samples/s (host)"
    )
    seconds = made.cycles["seconds_per_batch"]
    print(f"    modelled IPU: {seconds * 1e3:.4f} ms, {batch / seconds:.1f} samples/s")
    if show_io_stat:
        for name, array in answers.items():
            print(
                f"{visible(name)}: min {array.min():.6g}, max {array.max():.6g}, "
                f"mean {array.mean(dtype=np.float64):.6g}"
            )


def compare_with_onnxruntime(path: str, made: tessera.Executable) -> None:
    from poprt_compat.backend import get_session

    if made.packing is not None:
        raise tessera.UsageError(
            "--check: a packed model has other inputs than its source, must be "
            "a model without packing"
        )
    feed = random_feed(made)
    expected = get_session(path, 1, "onnxruntime").load().run([o.name for o in made.outputs], feed)
    with tessera.ModelRunner(made) as runner:
        answers = runner.run(feed)
    for output, array in zip(made.outputs, expected):
        error = np.abs(answers[output.name].astype(np.float64) - array).max()
        print(f"{visible(output.name)}: largest difference to ONNX Runtime {error:.3g}")


def read_yaml(path: str) -> list[str]:
    """The file's options as words."""
    try:
        import yaml
    except ImportError:
        raise tessera.Error("--config_yaml: needs PyYAML (Debian's python3-yaml)") from None
    try:
        with open(path, encoding="utf-8") as file:
            options = yaml.safe_load(file)
    except OSError as error:
        raise tessera.Error(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise tessera.UsageError(f"{path}: is not YAML: {error}") from None
    if not isinstance(options, dict):
        raise tessera.UsageError(f"{path}: must be options by name")
    words: list[str] = []
    for name, value in options.items():
        if name == "model_fusion":
            raise tessera.UsageError(
                f"{path}: model_fusion: an executable holds one model, must be left out"
            )
        if value is False or value is None:
            continue
        words.append("--" + name)
        if isinstance(value, dict):
            words += [
                f"{k}={','.join(map(str, v)) if isinstance(v, list) else v}"
                for k, v in value.items()
            ]
        elif isinstance(value, list):
            words += [str(v) for v in value]
        elif value is not True:
            words.append(str(value))
    return words


def print_completion(parser: argparse.ArgumentParser, shell: str) -> None:
    flags = " ".join(f for action in parser._actions for f in action.option_strings)
    if shell == "zsh":
        print("autoload -U +X bashcompinit && bashcompinit")
    print(f'complete -o default -W "{flags}" poprt')


def run(words: Sequence[str]) -> None:
    if words and words[0] == "tf2onnx":
        raise tessera.UsageError(
            "tf2onnx: TensorFlow models are not read here, must be ONNX (pip install tf2onnx)"
        )
    parser = make_parser()
    args = parser.parse_args(words)
    if args.config_yaml:
        args = parser.parse_args(read_yaml(args.config_yaml) + list(words))
    if args.print_completion:
        print_completion(parser, args.print_completion)
        return
    if args.list_all_passes:
        print("\n".join(passes.all_names()))
        return
    if args.framework == "tensorflow":
        raise tessera.UsageError("--framework: 'tensorflow', must be onnx")
    if not args.input_model:
        raise tessera.UsageError("--input_model: must be given")
    warn_of_meaningless(args)
    for_compiler = target_options(args)
    os.makedirs(args.output_dir, exist_ok=True)
    options = compile_options(args.input_model, settings_of(args))
    options = calibration.calibrated(args, options)
    # PopRT converts whatever else it is asked for.
    output = os.path.join(
        args.output_dir, args.output_model or "converted_" + os.path.basename(args.input_model)
    )
    done = tessera.convert(args.input_model, output, **options)
    for warning in done["warnings"]:
        print(f"poprt: warning: {warning}", file=sys.stderr)
    print(f"{output}: {done['nodes']} nodes, {done['inputs']} inputs, {done['outputs']} outputs")
    if not (args.export_popef or args.run or args.check or args.show):
        return
    made = tessera.compile(args.input_model, **{**options, **for_compiler})
    if args.export_popef:
        popef = os.path.join(args.output_dir, "executable.popef")
        made.save(popef)
        print(f"{popef}: {made.cycles['total']} modelled cycles a batch")
    if args.show:
        show(made)
    if args.check:
        compare_with_onnxruntime(args.input_model, made)
    if args.run:
        run_once(made, args.show_io_stat)


def main(words: Optional[Sequence[str]] = None) -> int:
    return exit_code("poprt", run, words)


if __name__ == "__main__":
    sys.exit(main())
