# SPDX-License-Identifier: Apache-2.0
"""python -m poprt_compat SCRIPT.py ARGS | -m MODULE ARGS | --shell"""

import os
import runpy
import sys

import poprt_compat.install as install

USAGE = """usage: python -m poprt_compat SCRIPT.py [ARGS]    run a script that imports poprt
       python -m poprt_compat -m MODULE [ARGS]    run a module (poprt.cli, for example)
       python -m poprt_compat --shell             print what makes a shell know poprt:
                                                  eval "$(python3 -m poprt_compat --shell)"
"""


def main() -> int:
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="", file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--shell":
        print(f'export POPRT_PYTHON="{sys.executable}"')
        print(f'export PYTHONPATH="{install.FOLDER}${{PYTHONPATH:+:$PYTHONPATH}}"')
        print(f'export PATH="{os.path.join(install.FOLDER, "bin")}:$PATH"')
        return 0
    if words[0] == "-m":
        if len(words) < 2:
            print(USAGE, end="", file=sys.stderr)
            return 2
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        return 0
    sys.argv = words
    sys.path[0] = os.path.dirname(os.path.abspath(words[0]))
    runpy.run_path(words[0], run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
