# SPDX-License-Identifier: Apache-2.0
"""Files in Parquet, by the package pyarrow."""

from __future__ import annotations

from typing import Any

from tessera.extras import needed

__all__ = ["arrow", "content_of", "read_columns"]


def arrow() -> Any:
    """The package pyarrow, with all that Parquet needs of it."""
    _parquet()
    return needed("pyarrow", "ray", "Parquet")


def _parquet() -> Any:
    return needed("pyarrow.parquet", "ray", "Parquet")


def content_of(table: Any) -> bytes:
    """The bytes of a file that holds this table of pyarrow."""
    buffer = arrow().BufferOutputStream()
    _parquet().write_table(table, buffer)
    content: bytes = buffer.getvalue().to_pybytes()
    return content


def read_columns(path: str) -> dict[str, Any]:
    """The columns of a file, as arrays by their names."""
    table = _parquet().read_table(path)
    return {name: table.column(name).to_numpy() for name in table.column_names}
