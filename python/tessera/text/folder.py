# SPDX-License-Identifier: Apache-2.0
"""A model's folder, as Hugging Face's libraries write it: what it is for, its files and limits."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from tessera.errors import Error, MissingFileError, UsageError
from tessera.types import Path

__all__ = ["TASKS", "Folder", "Module", "read_folder"]

#: The tasks that a model can be asked for.
TASKS = ("embed", "classify", "rerank", "ner", "answer")

_OF_ARCHITECTURE = {
    "ForTokenClassification": "ner",
    "ForQuestionAnswering": "answer",
}
#: Models whose table of positions begins behind the padding id, so that it has fewer for tokens.
_SHIFTED_POSITIONS = ("roberta", "camembert", "xlm", "mpnet", "longformer", "data2vec", "bigbird_")
_LONGEST_USUAL = 512


@dataclasses.dataclass(frozen=True)
class Module:
    """A step behind the encoder, of modules.json: its kind (``"Pooling"``), its own folder and what
    its config.json says."""

    kind: str
    path: str
    config: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Folder:
    path: str
    encoder: str  #: where config.json, tokenizer.json and the weights are
    task: str
    config: dict[str, Any]
    special: dict[str, str]  #: tokens by their names: ``cls_token``, ``unk_token`` …
    tokenizer: str  #: the path of tokenizer.json
    onnx: str | None  #: the model, if the folder has one
    longest: int  #: tokens of a text, with the special ones
    modules: tuple[Module, ...]  #: behind the encoder; () if the folder does not say
    lower_case: bool
    prompts: dict[str, str]
    default_prompt: str | None

    @property
    def labels(self) -> dict[int, str]:
        """The labels by number, as config.json has them; without them ``LABEL_0`` …"""
        given = self.config.get("id2label")
        if not isinstance(given, dict):
            count = self.config.get("num_labels", 2)
            return {i: f"LABEL_{i}" for i in range(count if isinstance(count, int) else 2)}
        try:
            return {int(number): str(label) for number, label in given.items()}
        except ValueError:
            raise Error(
                f"{self.path}: id2label of config.json has keys that are not numbers, must be the "
                "numbers of labels"
            ) from None


def read_json(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (ValueError, UnicodeDecodeError, RecursionError) as error:
        raise Error(f"{path}: must be JSON: {error}") from None


def _read_object(*parts: str) -> dict[str, Any]:
    """{} if the file is not there."""
    path = os.path.join(*parts)
    if not os.path.isfile(path):
        return {}
    read = read_json(path)
    if not isinstance(read, dict):
        raise Error(f"{path}: is a {type(read).__name__}, must be an object")
    return read


def read_folder(
    path: Path, *, task: str | None = None, onnx_file: str | None = None, pooling: str | None = None
) -> Folder:
    """Reads the folder. ``task`` in place of what its files say; ``onnx_file``: a file in it, in
    place of model.onnx or onnx/model.onnx; ``pooling``: in place of what modules.json says."""
    root = os.fspath(path)
    if not os.path.isdir(root):
        raise MissingFileError(f"{root}: is not a folder, must be one with a model's files")
    steps = _steps(root)
    encoder = root
    if steps and steps[0].kind == "Transformer":
        encoder = steps[0].path
        steps = steps[1:]
    config = _read_object(encoder, "config.json")
    if not config:
        raise MissingFileError(f"{encoder}: has no config.json, must have the model's")
    tokenizer = _first(
        os.path.join(encoder, "tokenizer.json"), os.path.join(root, "tokenizer.json")
    )
    if tokenizer is None:
        raise MissingFileError(
            f"{encoder}: has no tokenizer.json, must have it: AutoTokenizer of transformers with "
            "use_fast=True and save_pretrained() write it"
        )
    if pooling is not None:
        steps = [step for step in steps if step.kind != "Pooling"]
        steps.insert(0, Module("Pooling", root, {"pooling_mode": pooling.split("+")}))
    own = _read_object(encoder, "sentence_bert_config.json")
    spoken = _read_object(root, "config_sentence_transformers.json")
    tokenizer_config = _read_object(encoder, "tokenizer_config.json")
    return Folder(
        path=root,
        encoder=encoder,
        task=_task(root, config, task),
        config=config,
        special=_special(_read_object(encoder, "special_tokens_map.json"), tokenizer_config),
        tokenizer=tokenizer,
        onnx=_onnx(root, encoder, onnx_file),
        longest=_longest(config, tokenizer_config, own),
        modules=tuple(steps),
        lower_case=own.get("do_lower_case") is True,
        prompts={str(k): str(v) for k, v in (spoken.get("prompts") or {}).items()},
        default_prompt=spoken.get("default_prompt_name"),
    )


def _special(*files: dict[str, Any]) -> dict[str, str]:
    """A token is its text, or an object with its ``content``. The last file is right."""
    made = {}
    for file in files:
        for name, token in file.items():
            text = token.get("content") if isinstance(token, dict) else token
            if name.endswith("_token") and isinstance(text, str):
                made[name] = text
    return made


def _first(*paths: str) -> str | None:
    return next((path for path in paths if os.path.isfile(path)), None)


def _onnx(root: str, encoder: str, onnx_file: str | None) -> str | None:
    if onnx_file is not None:
        found = _first(os.path.join(root, onnx_file), os.path.join(encoder, onnx_file))
        if found is None:
            raise MissingFileError(f"{root}: has no {onnx_file}, must have the ONNX file named")
        return found
    names = ("model.onnx", os.path.join("onnx", "model.onnx"))
    return _first(*(os.path.join(folder, name) for folder in (root, encoder) for name in names))


def _steps(root: str) -> list[Module]:
    """The steps of modules.json; without it 1_Pooling alone, where that is there."""
    path = os.path.join(root, "modules.json")
    if not os.path.isfile(path):
        config = _read_object(root, "1_Pooling", "config.json")
        return [Module("Pooling", os.path.join(root, "1_Pooling"), config)] if config else []
    listed = read_json(path)
    try:
        ordered = sorted(listed, key=lambda row: int(row["idx"]))
        rows = [(str(row["type"]), str(row.get("path") or "")) for row in ordered]
    except (TypeError, KeyError, ValueError, AttributeError):
        raise Error(f'{path}: must be a list of {{"idx": …, "type": …, "path": …}}') from None
    steps = []
    for kind, where in rows:
        own = os.path.normpath(os.path.join(root, where))
        if os.path.relpath(own, root).startswith(os.pardir):
            raise Error(f"{path}: the path {where!r} leaves the folder, must be inside it")
        steps.append(Module(kind.rpartition(".")[2], own, _read_object(own, "config.json")))
    return steps


def _task(root: str, config: dict[str, Any], task: str | None) -> str:
    if task is not None:
        if task not in TASKS:
            raise UsageError(f"task: is {task!r}, must be one of {', '.join(TASKS)}")
        return task
    if os.path.isfile(os.path.join(root, "modules.json")):
        return "embed"
    names = config.get("architectures")
    name = str(names[0]) if isinstance(names, list) and names else ""
    for ending, found in _OF_ARCHITECTURE.items():
        if name.endswith(ending):
            return found
    if name.endswith("ForSequenceClassification"):
        labels = config.get("id2label")
        one = len(labels) == 1 if isinstance(labels, dict) else config.get("num_labels") == 1
        return "rerank" if one and config.get("problem_type") != "regression" else "classify"
    return "embed"


def _longest(config: dict[str, Any], tokenizer_config: dict[str, Any], own: dict[str, Any]) -> int:
    """The least of what sentence_bert_config.json, tokenizer_config.json and the table of positions
    allow. A tokenizer without a limit writes 1e30."""
    allowed = [own.get("max_seq_length"), tokenizer_config.get("model_max_length")]
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    kind = str(config.get("model_type", ""))
    if isinstance(positions, int) and kind.startswith(_SHIFTED_POSITIONS):
        padding = config.get("pad_token_id")
        positions -= (padding if isinstance(padding, int) else 1) + 1
    allowed.append(positions)
    numbers = [int(n) for n in allowed if isinstance(n, (int, float)) and 0 < n < 1e9]
    return min(numbers, default=_LONGEST_USUAL)
