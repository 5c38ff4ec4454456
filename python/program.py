#!python
# SPDX-License-Identifier: Apache-2.0
"""`tessera` of a self-contained wheel: the program stands in the package, where it finds the
libraries that came with it. Becomes that program, whose Python verbs take this Python."""

import importlib.util
import os
import sys

package = importlib.util.find_spec("tessera")
if package is None or package.origin is None:
    sys.exit("tessera: the Python package tessera is not installed beside this program")
program = os.path.join(os.path.dirname(package.origin), "bin", "tessera")
os.environ.setdefault("TESSERA_PYTHON", sys.executable)
os.execv(program, [program, *sys.argv[1:]])
