# SPDX-License-Identifier: Apache-2.0
"""What scripts/exports is made of: families of models, their exports, the comparison, the page."""
