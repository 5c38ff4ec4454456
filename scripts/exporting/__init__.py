# SPDX-License-Identifier: Apache-2.0
"""The parts of scripts/exports: families of models, their exports, the comparison, the page."""
