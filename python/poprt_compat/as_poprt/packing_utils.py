# SPDX-License-Identifier: Apache-2.0
"""`poprt_compat.packing_utils`, by the name that PopRT's examples import."""

from poprt_compat.packing_utils import *  # noqa: F403
