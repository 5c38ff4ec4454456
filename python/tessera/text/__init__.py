# SPDX-License-Identifier: Apache-2.0
"""Text in, answers out: a folder of Hugging Face's becomes embeddings, classes, entities, answers
and ranks.

    with tessera.TextPipeline("all-MiniLM-L6-v2") as pipeline:
        vectors = pipeline.embed(["a text", "another"])

Needs what ``pip install 'tessera[text]'`` installs; ``python3 -m tessera text`` is the same by
command, and ``python3 -m tessera text serve`` over HTTP (docs/text.md)."""

from tessera.text.folder import TASKS, Folder, read_folder
from tessera.text.pipeline import TextPipeline
from tessera.text.spans import SpanOptions

__all__ = ["TASKS", "Folder", "SpanOptions", "TextPipeline", "read_folder"]
