# SPDX-License-Identifier: Apache-2.0
"""Text pipelines over HTTP, as clients of OpenAI and of Hugging Face's Text Embeddings Inference
expect them (docs/text.md). Needs fastapi, uvicorn, orjson and prometheus_client."""

from tessera.text.server.app import make_app
from tessera.text.server.hub import Hub, HubOptions

__all__ = ["Hub", "HubOptions", "make_app"]
