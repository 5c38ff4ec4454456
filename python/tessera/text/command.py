# SPDX-License-Identifier: Apache-2.0
"""tessera text: texts of a file to answers, a JSON object a line; and the same over HTTP."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tessera.errors import Error, UsageError
from tessera.lines import Row, piece_of, read_rows
from tessera.text.entities import STRATEGIES
from tessera.text.folder import TASKS
from tessera.text.labels import FUNCTIONS
from tessera.text.pipeline import USUAL_TIMEOUT, TextPipeline
from tessera.text.spans import SpanOptions

__all__ = ["add_to"]

DESCRIPTION = """\
Text in, answers out, of a model's folder as Hugging Face's libraries write it: config.json,
tokenizer.json, and model.onnx, onnx/model.onnx or weights, which torch and transformers export.
Needs: pip install 'tessera[text]'."""

#: Texts that are on their way together.
CHUNK = 1024


def add_to(verbs: Any) -> None:
    verb = verbs.add_parser("text", help="text in, answers out", description=DESCRIPTION)
    inner = verb.add_subparsers(metavar="WHAT", required=True)
    says = {
        "embed": "a vector a text",
        "classify": "labels of texts or of pairs",
        "rerank": "how well each text fits a query, best first",
        "ner": "entities, with their characters",
        "answer": "answers to questions about contexts",
    }
    for name in TASKS:
        one = inner.add_parser(name, help=says[name], description=says[name] + ".")
        one.add_argument("model", metavar="FOLDER")
        one.add_argument("texts", metavar="TEXTS", help=_lines(name))
        _add_task_flags(one, name)
        _add_model_flags(one)
        one.add_argument("-o", "--output", default="-", metavar="FILE", help="-: standard output")
        one.set_defaults(run=_run, task=name)
    _add_serve(inner)


def _lines(task: str) -> str:
    if task == "answer":
        return '.jsonl, a line {"question": …, "context": …}; -: stdin'
    if task == "classify":
        return 'a text a line; .jsonl: {"text": …}, and may have a "text_pair"; -: stdin'
    return 'a text a line; .jsonl: {"text": …} a line; -: stdin'


def _add_task_flags(verb: argparse.ArgumentParser, task: str) -> None:
    add = verb.add_argument
    if task != "answer":
        add("--no_truncate", action="store_true", help="refuse long texts, which are cut without")
        add("--truncation_side", choices=("left", "right"), default="right", help="what is cut off")
    if task == "embed":
        add("--prompt", help="that stands before each text")
        add("--prompt_name", help="one of the folder's prompts")
        add("--normalize", choices=("yes", "no"), help="vectors of length 1; else as the folder")
        add("--dimensions", type=int, help="how many numbers of a vector to give, the first")
    if task in ("classify", "rerank"):
        add("--function", choices=tuple(FUNCTIONS), help="in place of what config.json says")
    if task == "rerank":
        add("--query", required=True)
    if task == "ner":
        add("--aggregation", choices=STRATEGIES, default="simple")
        add("--ignore", nargs="+", default=["O"], metavar="LABEL", help="labels to leave out (O)")
        add("--stride", type=int, help="tokens that two windows of a long text share")
    if task in ("classify", "rerank", "answer"):
        add("--top_k", type=int, help="how many to give, the best")
    if task == "answer":
        add("--stride", type=int, help="tokens that windows of a long context share")
        add("--window", type=int, help="tokens of question and context (at most 384)")
        add("--max_answer_tokens", type=int, default=15)
        add("--may_be_impossible", action="store_true", help="'' is an answer too")


def _add_model_flags(verb: argparse.ArgumentParser) -> None:
    group = verb.add_argument_group("Model")
    add = group.add_argument
    add("--length", type=int, help="tokens of the longest text (what the model takes, at most 512)")
    add("--rows", type=int, help="of a batch (as many as make 2048 tokens)")
    add("--precision", choices=("fp16", "fp32"), default="fp16")
    add("--form", choices=("B", "A", "padded"), help="of packing (the first that is possible)")
    add("--most", type=int, default=0, help="texts in a packed batch (what suits the form)")
    add("--pooling", help="mean, cls, max, lasttoken, … or several joined by +")
    add("--onnx_file", help="a file of the folder, in place of model.onnx")
    add("--cache_dir", help="for executables and exports ($TESSERA_CACHE_DIR/text); '': none")
    add("--target", help="the machine, as of 'tessera compile'")
    add("--threads", type=int, default=0, help="of the host, that run the model; 0: one a core")
    add(
        "--timeout",
        type=float,
        default=USUAL_TIMEOUT,
        help=f"seconds that a batch waits to fill ({USUAL_TIMEOUT})",
    )
    add(
        "--progress",
        choices=("auto", "none", "plain", "bar", "json"),
        default="auto",
        help="tell on stderr how many texts are done; auto: on a terminal",
    )


def _add_serve(inner: Any) -> None:
    verb = inner.add_parser(
        "serve",
        help="answer over HTTP, as OpenAI and Text Embeddings Inference do",
        description="Answers over HTTP: /v1/embeddings as OpenAI, /embed, /rerank, /predict … as "
        "Text Embeddings Inference. It is ready when GET /health says 200; SIGTERM stops it.",
    )
    add = verb.add_argument
    add(
        "--model",
        nargs="+",
        required=True,
        metavar="[NAME=]FOLDER",
        help="what is served; the first answers calls that name none",
    )
    add("--task", choices=TASKS, help="in place of what the folders say")
    add("--host", default="127.0.0.1", help="other machines reach only what is not 127.0.0.1")
    add("--port", type=int, default=8080, help="0: any that is free (8080)")
    add("--auto_truncate", action="store_true", help="cut long texts of callers who do not say")
    add("--max_client_batch_size", type=int, default=32, help="texts of a call (32)")
    add("--max_concurrent_requests", type=int, default=512, help="calls at a time (512)")
    add("--max_body_bytes", type=int, default=2_000_000, help="(2000000)")
    add("--max_memory_bytes", type=int, default=1 << 28, help="of calls, together (268435456)")
    add("--max_windows", type=int, default=1024, help="of the long texts of a call (1024)")
    add("--head_seconds", type=float, default=10, help="for a request's head to come (10)")
    add("--body_seconds", type=float, default=30, help="for a body to come (30)")
    add("--write_seconds", type=float, default=60, help="for the caller to take an answer (60)")
    add("--max_connections", type=int, default=4096, help="connections at a time (4096)")
    add("--max_queue", type=int, default=16384, help="texts that wait (16384)")
    add("--deadline_seconds", type=float, default=0, help="to an answer; 0: none")
    add("--drain_seconds", type=int, default=30, help="to answer what was asked at a stop (30)")
    add("--tokenization_workers", type=int, default=2, help="threads (2)")
    add("--log_level", choices=("critical", "error", "warning", "info"), default="warning")
    _add_model_flags(verb)
    verb.set_defaults(run=_serve)


def _pipeline(folder: str, words: argparse.Namespace, **runner: Any) -> TextPipeline:
    options = {"target": words.target} if words.target is not None else {}
    return TextPipeline(
        folder,
        task=words.task,
        length=words.length,
        rows=words.rows,
        precision=words.precision,
        form=words.form,
        most=words.most,
        pooling=words.pooling,
        onnx_file=words.onnx_file,
        cache_dir=words.cache_dir,
        compile_options=options,
        runner_options={"timeout": words.timeout, "threads": words.threads, **runner},
    )


def _tell(pipeline: TextPipeline) -> None:
    for form, why in pipeline.form_refusals.items():
        print(
            f"not {'padded' if form == 'padded' else 'packed in form ' + form}: {why}",
            file=sys.stderr,
        )


def _tell_done(kind: str, done: int) -> None:
    if kind == "json":
        print(json.dumps({"verb": "text", "now": "texts", "done": done}), file=sys.stderr)
    elif kind != "none" and (kind != "auto" or sys.stderr.isatty()):
        print(f"text: {done} texts done", file=sys.stderr)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk


def _answers(
    pipeline: TextPipeline, words: argparse.Namespace, rows: Iterable[Row]
) -> Iterator[dict[str, Any]]:
    cut = {}
    if words.task != "answer":
        cut = {"truncate": not words.no_truncate, "truncation_side": words.truncation_side}
    if words.task == "rerank":
        texts = [row["text"] for row in rows]
        options = {"top_k": words.top_k, "function": words.function, **cut}
        for each in pipeline.rerank(words.query, texts, **options):
            yield {**each, "text": texts[each["index"]]}
        return
    for chunk in _chunks(rows):
        if words.task == "embed":
            normalize = None if words.normalize is None else words.normalize == "yes"
            vectors = pipeline.embed(
                [row["text"] for row in chunk],
                prompt=words.prompt,
                prompt_name=words.prompt_name,
                normalize=normalize,
                dimensions=words.dimensions,
                **cut,
            )
            # As short as tells float32 numbers apart.
            yield from ({"embedding": [float(str(x)) for x in row]} for row in vectors)
        elif words.task == "classify":
            pieces = [piece_of(row) for row in chunk]
            options = {"top_k": words.top_k or 1, "function": words.function, **cut}
            yield from ({"labels": one} for one in pipeline.classify(pieces, **options))
        elif words.task == "ner":
            options = {"aggregation": words.aggregation, "ignore": words.ignore, **cut}
            found = pipeline.ner([row["text"] for row in chunk], stride=words.stride, **options)
            yield from ({"entities": one} for one in found)
        else:
            pairs = [(row["question"], row["context"]) for row in chunk]
            asked = SpanOptions(
                top_k=words.top_k or 1,
                stride=words.stride,
                max_answer_tokens=words.max_answer_tokens,
                may_be_impossible=words.may_be_impossible,
                window=words.window,
            )
            yield from ({"answers": one} for one in pipeline.answer(pairs, asked))


def _run(words: argparse.Namespace) -> None:
    keys = ("question", "context") if words.task == "answer" else ("text",)
    rows = read_rows(words.texts, keys, "text_pair" if words.task == "classify" else None)
    first = next(rows, None)
    if first is None:
        raise Error(f"{words.texts}: holds no text, must hold at least one line")
    with contextlib.ExitStack() as opened:
        pipeline = opened.enter_context(_pipeline(words.model, words))
        _tell(pipeline)
        to = sys.stdout
        if words.output != "-":
            to = opened.enter_context(open(words.output, "w", encoding="utf-8"))
        found = enumerate(_answers(pipeline, words, itertools.chain([first], rows)), 1)
        number = 0
        for number, answer in found:
            print(json.dumps(answer, ensure_ascii=False), file=to)
            if number % CHUNK == 0:
                _tell_done(words.progress, number)
        if number % CHUNK:
            _tell_done(words.progress, number)


def named_folders(words: Iterable[str]) -> dict[str, str]:
    """``NAME=FOLDER`` or ``FOLDER``, whose name is then its last part."""
    made: dict[str, str] = {}
    for word in words:
        name, is_named, folder = word.partition("=")
        if not is_named or os.path.isdir(word):
            name, folder = os.path.basename(os.path.abspath(word)), word
        if not name or not name.replace("-", "").replace("_", "").replace(".", "").isalnum():
            raise UsageError(
                f"--model: the name '{name}' must be letters, digits, '-', '_' and '.'"
            )
        if name in made:
            raise UsageError(f"--model: the name '{name}' is there twice, must be there once")
        made[name] = folder
    return made


#: Limits of a server that must not be 0.
_COUNTS = (
    "max_client_batch_size",
    "max_concurrent_requests",
    "max_body_bytes",
    "max_memory_bytes",
    "max_windows",
    "max_connections",
    "tokenization_workers",
)


def _serve(words: argparse.Namespace) -> None:
    for name in _COUNTS:
        if getattr(words, name) < 1:
            raise UsageError(f"--{name}: is {getattr(words, name)}, must be at least 1")
    try:
        from tessera.text.server import Hub, HubOptions
        from tessera.text.server.run import Listening, serve
    except ImportError as error:
        package = str(error.name).partition(".")[0]
        raise Error(
            f"text serve: needs the package {package}, which cannot be imported ({error}); "
            "pip install 'tessera[text]'"
        ) from None
    with contextlib.ExitStack() as opened:
        models = {}
        for name, folder in named_folders(words.model).items():
            runner = {"warm_up": True, "max_queue": words.max_queue}
            models[name] = opened.enter_context(_pipeline(folder, words, **runner))
            _tell(models[name])
        options = {each.name: getattr(words, each.name) for each in dataclasses.fields(HubOptions)}
        hub = Hub(models, HubOptions(**options))
        opened.callback(hub.close)
        how = {each.name: getattr(words, each.name) for each in dataclasses.fields(Listening)}
        serve(hub, Listening(**how))
