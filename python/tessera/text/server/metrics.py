# SPDX-License-Identifier: Apache-2.0
"""Counters with the names of Text Embeddings Inference, and the runners' own beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.metrics_core import Metric

__all__ = ["Metrics", "joined"]

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_COUNTS = {
    "te_request_count": ("method", "Calls that were made."),
    "te_request_success": ("method", "Calls that were answered."),
    "te_request_failure": ("err", "Calls that were not, by why."),
    "te_embed_count": ("", "Texts that were taken to be embedded."),
    "te_embed_success": ("", "Texts that were embedded."),
    "te_predict_count": ("", "Texts that were taken to be classified or ranked."),
    "te_predict_success": ("", "Texts that were classified or ranked."),
}


class _Counts:
    """Counters whose names do not end in _total, as TEI's do not."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def collect(self) -> Iterator[Any]:
        for name, (label, what) in _COUNTS.items():
            metric = Metric(name, what, "unknown")
            for (other, value), count in sorted(self.counts.items()):
                if other == name:
                    metric.add_sample(name, {label: value} if label else {}, count)
            yield metric


class Metrics:
    """The metrics of a server. Its event loop alone changes them."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counts = _Counts()
        self._registry.register(self._counts)

        def seconds(name: str, what: str) -> Any:
            return Histogram(name, what, registry=self._registry, buckets=_SECONDS)

        self.duration = seconds("te_request_duration", "Seconds of a call.")
        self.tokenization = seconds("te_request_tokenization_duration", "Seconds of tokenization.")
        self.inference = seconds(
            "te_request_inference_duration", "Seconds from the queue's entry to the answers."
        )
        self.input_length = Histogram(
            "te_request_input_length",
            "Tokens of a text.",
            registry=self._registry,
            buckets=(8, 16, 32, 64, 128, 256, 512, 1024, 4096),
        )

    def count(self, name: str, value: str = "", by: int = 1) -> None:
        self._counts.counts[name, value] += by

    def failed(self, why: str) -> None:
        self.count("te_request_failure", why)

    def text(self, runners: Mapping[str, str], waiting: int) -> str:
        """All of them. ``runners``: the text of each runner's, by the name of its model."""
        own: str = generate_latest(self._registry).decode()
        queue = "# HELP te_queue_size Texts that wait.\n# TYPE te_queue_size gauge\n"
        return f"{own}{queue}te_queue_size {waiting}\n{joined(runners)}"


def joined(runners: Mapping[str, str]) -> str:
    """One text of several: a metric's samples must stand together. The label ``model`` is the name
    under which a model is served."""
    heads: dict[str, list[str]] = {}
    samples: dict[str, list[str]] = {}
    for served, text in runners.items():
        name = ""
        for line in text.splitlines():
            if line.startswith("# "):
                _, kind, name, _ = line.split(" ", 3)
                if kind == "HELP":
                    samples.setdefault(name, [])
                known = heads.setdefault(name, [])
                if line not in known:
                    known.append(line)
            elif line:
                before, _, rest = line.partition('model="')
                samples[name].append(f'{before}model="{served}"{rest.partition(chr(34))[2]}')
    lines = [line for name in heads for line in (*heads[name], *samples[name])]
    return "".join(f"{line}\n" for line in lines)
