# SPDX-License-Identifier: Apache-2.0
"""`import poprt` finds this where its folder is in PYTHONPATH: `poprt_compat`, under that name."""

import poprt_compat.install  # noqa: F401  (takes this module's place)
