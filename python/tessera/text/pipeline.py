# SPDX-License-Identifier: Apache-2.0
"""A folder of Hugging Face's, ready to be asked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from tessera.closable import Closable
from tessera.errors import Error, UsageError
from tessera.text.cache import Cache
from tessera.text.engine import Engine, Shape
from tessera.text.entities import entities_job
from tessera.text.export import exported
from tessera.text.folder import Folder, read_folder
from tessera.text.jobs import Array, Job
from tessera.text.labels import classify_job, rerank_job
from tessera.text.spans import USUAL_SPANS, SpanOptions, answer_job
from tessera.text.tokens import Piece, Tokens, refused
from tessera.text.vectors import Embedder
from tessera.types import Path

__all__ = ["USUAL_TIMEOUT", "TextPipeline"]

#: Tokens of a batch, and of a row at most, where nothing says how many.
_BATCH_TOKENS, _LONGEST = 2048, 512
#: Seconds that a batch waits to fill while the machine is idle. A batch takes the time of the texts
#: that it holds, so that waiting saves little.
USUAL_TIMEOUT = 0.0005

_Piece = TypeVar("_Piece")


class _Inner:
    """The engine and the cache's temporary folder, which ``Closable`` closes in this order."""

    def __init__(self, engine: Engine, cache: Cache) -> None:
        self.engine, self.cache = engine, cache

    def close(self) -> None:
        self.engine.close()
        self.cache.close()

    def closed(self) -> bool:
        return self.engine.runner.closed


class TextPipeline(Closable):
    """Answers about texts, of the model in a folder as Hugging Face's libraries write it.

    ``model``: the folder. It holds config.json, tokenizer.json, and model.onnx or onnx/model.onnx;
    where it holds weights alone, torch and transformers export it, if they are installed. Its
    modules.json and 1_Pooling say how a vector is made of a text's tokens. Nothing is written
    there.

    ``task``: ``"embed"``, ``"classify"``, ``"rerank"``, ``"ner"`` or ``"answer"``; None: what the
    folder's files say. ``length``: tokens of the longest text (what the model takes, at most 512).
    ``rows``: of a batch; None: as many as make 2048 tokens. ``form``: ``"B"``, ``"A"``
    (docs/packing.md) or ``"padded"``; None: the first of these that the model can be compiled in,
    and ``form_refusals`` tells why others were not. ``most``: texts in a packed batch.
    ``pooling``: in place of the folder's (``"mean"``, ``"cls"``, ``"max+mean"`` …). ``onnx_file``:
    a file in the folder in place of model.onnx. ``cache_dir``: where executables and exports are
    kept (``$TESSERA_CACHE_DIR/text``, else ``~/.cache/tessera/text``; ``""``: nowhere).
    ``compile_options`` and ``runner_options`` are ``tessera.CompileOptions`` and
    ``tessera.RunnerOptions``.

    Any thread may call any method at any time; texts of all callers share batches."""

    def __init__(
        self,
        model: Path,
        *,
        task: str | None = None,
        length: int | None = None,
        rows: int | None = None,
        precision: str = "fp16",
        form: str | None = None,
        most: int = 0,
        pooling: str | None = None,
        onnx_file: str | None = None,
        cache_dir: Path | None = None,
        compile_options: Mapping[str, Any] | None = None,
        runner_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.folder: Folder = read_folder(model, task=task, onnx_file=onnx_file, pooling=pooling)
        shape = _shape(self.folder, length, rows, most)
        self.tokens = Tokens(self.folder, shape.length)
        self.precision = precision
        cache = Cache(cache_dir)
        with contextlib.ExitStack() as undo:
            undo.callback(cache.close)
            onnx = self.folder.onnx or exported(self.folder, cache)
            engine = Engine(
                onnx,
                shape,
                cache,
                form=form,
                compile_options={"precision": precision, **(compile_options or {})},
                runner_options={"timeout": USUAL_TIMEOUT, **(runner_options or {})},
            )
            undo.callback(engine.close)
            self._embedder: Embedder | None = None
            if self.folder.task == "embed":
                self._embedder = Embedder(self.folder, engine.executable)
            undo.pop_all()
        self._inner: _Inner = _Inner(engine, cache)
        super().__init__()

    def __repr__(self) -> str:
        state = ", closed" if self.closed else f", packing form {self.form}"
        return f"<tessera.TextPipeline of {self.folder.path} for {self.task}{state}>"

    @property
    def task(self) -> str:
        return self.folder.task

    @property
    def engine(self) -> Engine:
        return self._inner.engine

    @property
    def form(self) -> str:
        """``"B"``, ``"A"`` or ``"padded"``."""
        return self.engine.form

    @property
    def form_refusals(self) -> dict[str, str]:
        """Why the model is not compiled in the forms that were tried before, by form."""
        return dict(self.engine.refusals)

    @property
    def longest(self) -> int:
        """Tokens of the longest text, with the special ones."""
        return self.tokens.longest

    @property
    def pooling(self) -> str:
        """``"mean"``, ``"max+mean"`` …; ``"none"`` where the model itself gives a vector a text."""
        embedder = self._of_embeddings()
        return "+".join(embedder.steps.modes) if embedder.of_tokens else "none"

    def tokenized(
        self,
        texts: Sequence[str],
        special: bool = True,
        prompt_name: str | None = None,
        most: int | None = None,
    ) -> list[list[dict[str, Any]]]:
        """The tokens of each text, whole: ``id``, ``text``, ``special``, and where they stand.
        ``most``: of all texts together; more are refused."""
        before = self._prompt(None, prompt_name) if prompt_name else ""
        given = [self.tokens.text(before + text, f"text {i}") for i, text in enumerate(texts)]
        made = self.tokens.plain.encode_batch(given, add_special_tokens=special)
        number = sum(map(len, made))
        if most is not None and number > most:
            raise refused(f"the texts: have {number} tokens, must have at most {most}", "over_long")
        return [
            [
                {"id": number, "text": word, "special": True, "start": None, "stop": None}
                if is_special
                else {"id": number, "text": text[a:b], "special": False, "start": a, "stop": b}
                for number, word, is_special, (a, b) in zip(
                    one.ids, one.tokens, one.special_tokens_mask, one.offsets
                )
            ]
            for text, one in zip(given, made)
        ]

    def run(self, job: Job) -> Any:
        """Waits for all answers of a job."""
        futures = []
        try:
            for encoding in job.encodings:
                futures.append(self.engine.submit(self.engine.request(encoding)))
            return job.finish([future.result() for future in futures])
        except BaseException:
            for future in futures:
                future.cancel()
            raise

    def embed(self, texts: str | Iterable[Piece], **options: Any) -> Array:
        """A float32 vector a text, ``[texts, dimensions]``. Options: those of ``embed_job``."""
        return np.asarray(self.run(self.embed_job(_pieces(texts), **options)))

    def embed_tokens(self, texts: str | Iterable[Piece], **options: Any) -> list[Array]:
        """The vectors of each text's tokens, ``[tokens, …]``, before pooling."""
        return list(self.run(self.embed_tokens_job(_pieces(texts), **options)))

    def classify(self, texts: str | Iterable[Piece], **options: Any) -> list[list[dict[str, Any]]]:
        """A list of ``{"label", "score"}`` for each text, best first. Options: those of
        ``classify_job``."""
        return list(self.run(self.classify_job(_pieces(texts), **options)))

    def rerank(self, query: str, texts: Iterable[str], **options: Any) -> list[dict[str, Any]]:
        """``{"index", "score"}`` of each text, best first. Options: those of ``rerank_job``."""
        return list(self.run(self.rerank_job(query, list(texts), **options)))

    def ner(self, texts: str | Iterable[str], **options: Any) -> list[list[dict[str, Any]]]:
        """The entities of each text, with characters. Options: those of ``ner_job``."""
        return list(self.run(self.ner_job(_pieces(texts), **options)))

    def answer(
        self, pairs: Iterable[tuple[str, str]], options: SpanOptions = USUAL_SPANS
    ) -> list[list[dict[str, Any]]]:
        """A list of ``{"answer", "score", "start", "end"}`` for each (question, context), best
        first."""
        return list(self.run(self.answer_job(list(pairs), options)))

    # Jobs: what the methods above wait for.

    def embed_job(
        self,
        texts: Sequence[Piece],
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        normalize: bool | None = None,
        dimensions: int | None = None,
        truncate: bool = True,
        truncation_side: str = "right",
    ) -> Job:
        """``prompt`` stands before each text; ``prompt_name``: one of the folder's. ``normalize``:
        None for what the folder says. ``dimensions``: how many numbers of a vector to
        give, the first."""
        embedder = self._of_embeddings()
        before = self._prompt(prompt, prompt_name)
        encodings = self.tokens.encode(
            texts, truncate=truncate, side=truncation_side, prompt=before
        )
        counted = 0 if embedder.steps.counts_prompt else self.tokens.prompt_length(before)
        return embedder.job(
            encodings, prompt_tokens=counted, normalize=normalize, dimensions=dimensions
        )

    def embed_tokens_job(
        self,
        texts: Sequence[Piece],
        *,
        prompt: str | None = None,
        prompt_name: str | None = None,
        truncate: bool = True,
        truncation_side: str = "right",
    ) -> Job:
        embedder = self._of_embeddings()
        before = self._prompt(prompt, prompt_name)
        return embedder.tokens_job(
            self.tokens.encode(texts, truncate=truncate, side=truncation_side, prompt=before)
        )

    def classify_job(
        self,
        texts: Sequence[Piece],
        *,
        top_k: int | None = 1,
        function: str | None = None,
        truncate: bool = True,
        truncation_side: str = "right",
    ) -> Job:
        """``top_k``: labels of a text; None: all. ``function``: ``"softmax"``, ``"sigmoid"`` or
        ``"none"``; None: as config.json says."""
        self._must_be("classify", "rerank")
        encodings = self.tokens.encode(texts, truncate=truncate, side=truncation_side)
        return classify_job(self.folder, encodings, top_k=top_k, function=function)

    def rerank_job(
        self,
        query: str,
        texts: Sequence[str],
        *,
        top_k: int | None = None,
        function: str | None = None,
        truncate: bool = True,
        truncation_side: str = "right",
    ) -> Job:
        """``function``: None for that of the CrossEncoder, which is sigmoid unless stored."""
        self._must_be("rerank")
        pairs = [(query, text) for text in texts]
        encodings = self.tokens.encode(pairs, truncate=truncate, side=truncation_side)
        return rerank_job(self.folder, encodings, top_k=top_k, function=function)

    def ner_job(
        self,
        texts: Sequence[str],
        *,
        aggregation: str = "simple",
        ignore: Iterable[str] = ("O",),
        stride: int | None = None,
        most_windows: int | None = None,
        truncate: bool = True,
        truncation_side: str = "right",
    ) -> Job:
        """``aggregation``: ``tessera.text.entities.STRATEGIES``. ``ignore``: labels to leave out.
        ``stride``: a long text is read in windows that share this number of tokens, and not cut;
        more than ``most_windows`` of all texts together are refused."""
        self._must_be("ner")
        return entities_job(
            self.tokens,
            self.folder.labels,
            texts,
            unknown=self.folder.special.get("unk_token"),
            strategy=aggregation,
            ignore=ignore,
            stride=stride,
            most_windows=most_windows,
            truncate=truncate,
            side=truncation_side,
        )

    def answer_job(
        self, pairs: Sequence[tuple[str, str]], options: SpanOptions = USUAL_SPANS
    ) -> Job:
        self._must_be("answer")
        mark = self.folder.special.get("cls_token")
        first = None if mark is None else self.tokens.plain.token_to_id(mark)
        return answer_job(self.tokens, first, pairs, options)

    def _must_be(self, *tasks: str) -> None:
        if self.task not in tasks:
            wanted = " or ".join(tasks)
            raise UsageError(
                f"{self.folder.path}: is a model to {self.task}, must be one to {wanted}"
            )

    def _of_embeddings(self) -> Embedder:
        self._must_be("embed")
        assert self._embedder is not None
        return self._embedder

    def _prompt(self, prompt: str | None, name: str | None) -> str:
        prompts = self.folder.prompts
        if prompt is not None and name is not None:
            raise UsageError("prompt_name: is given with prompt, must be one of the two")
        if prompt is not None:
            return prompt
        chosen = name if name is not None else self.folder.default_prompt
        if chosen is None:
            return ""
        if chosen not in prompts:
            known = ", ".join(prompts) or "none"
            raise UsageError(f"prompt_name: is {chosen!r}, must be one of the folder's: {known}")
        return prompts[chosen]


def _pieces(texts: str | Iterable[_Piece]) -> list[str | _Piece]:
    return [texts] if isinstance(texts, str) else list(texts)


def _shape(folder: Folder, length: int | None, rows: int | None, most: int) -> Shape:
    longest = min(folder.longest, _LONGEST) if length is None else length
    if not 2 <= longest <= folder.longest:
        raise UsageError(
            f"length: is {longest}, must be in 2..{folder.longest}, what the model takes"
        )
    number = max(1, _BATCH_TOKENS // longest) if rows is None else rows
    if number < 1 or most < 0:
        raise Error(f"rows: is {number} and most {most}, must be at least 1 and 0")
    return Shape(number, longest, most)
