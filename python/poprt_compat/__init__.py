# SPDX-License-Identifier: Apache-2.0
"""The commands and the Python API of PopRT, driving Tessera.

A compatible surface, written from PopRT's public documentation: not Graphcore's code, and its
``.popef`` files are Tessera's. It answers to the name ``poprt`` on request only:

- ``import poprt_compat.install`` before ``import poprt``;
- ``python -m poprt_compat script.py ARGS``, or ``python -m poprt_compat -m poprt.cli ARGS``;
- for shell scripts, ``eval "$(python3 -m poprt_compat --shell)"``: then ``poprt``, ``poprt_exec``
and
  ``python -m poprt.cli`` work unchanged.

What Tessera has no meaning for is accepted with one warning that says so (``docs/poprt.md``)."""

from poprt_compat import backend, compiler, converter, passes, runtime
from poprt_compat.compiler import Compiler, CompilerOptions
from poprt_compat.converter import Converter
from poprt_compat.passes import Pass
from tessera import __version__

__all__ = [
    "Compiler",
    "CompilerOptions",
    "Converter",
    "Pass",
    "__version__",
    "backend",
    "compiler",
    "converter",
    "passes",
    "runtime",
]
