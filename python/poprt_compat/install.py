# SPDX-License-Identifier: Apache-2.0
"""Importing this makes ``import poprt`` and ``import packing_utils`` find Tessera's.

A ``packing_utils.py`` of the script's own comes first, as it stands before in ``sys.path``."""

import os
import sys

import poprt_compat
from poprt_compat import backend, compiler, converter, passes, runtime

#: The folder that holds ``poprt`` and ``packing_utils`` by their names, for PYTHONPATH.
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "as_poprt")

sys.modules["poprt"] = poprt_compat
for _module in (backend, compiler, converter, passes, runtime):
    sys.modules["poprt." + _module.__name__.rpartition(".")[2]] = _module
if FOLDER not in sys.path:
    sys.path.append(FOLDER)
