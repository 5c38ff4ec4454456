# SPDX-License-Identifier: Apache-2.0
"""Packages that only a part of Tessera needs, imported where they are used."""

from __future__ import annotations

import importlib
from typing import Any

from tessera.errors import Error

__all__ = ["needed"]


def needed(module: str, extra: str, what: str) -> Any:
    """Imports ``module``; where it is not there, says which optional group has it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Error(
            f"{what}: needs the package {module.split('.')[0]}, which cannot be imported ({error});"
            f" pip install 'tessera[{extra}]'"
        ) from error
