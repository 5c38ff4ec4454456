# SPDX-License-Identifier: Apache-2.0
"""What `import poprt` finds where this folder is in PYTHONPATH: `poprt_compat`, under that name."""

import poprt_compat.install  # noqa: F401  (takes this module's place)
