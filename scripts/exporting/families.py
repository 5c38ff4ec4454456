# SPDX-License-Identifier: Apache-2.0
"""The families of models that scripts/exports writes, by name: tokens first, then signals."""

import exporting.text_families  # noqa: I001
import exporting.signal_families  # noqa: F401
from exporting.family import FAMILIES

__all__ = ["FAMILIES"]
