#!/usr/bin/env bash
# perfetto_trace.sh PYTHON FOLDER: perfetto_trace.py in a virtual environment with Perfetto's package.
# Exits with 77 where PyPI is not reached.
set -euo pipefail
python=$1 folder=$2
[[ -x $folder/venv/bin/pip ]] || "$python" -m venv "$folder/venv"
if ! "$folder/venv/bin/pip" install -q --disable-pip-version-check perfetto >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
exec "$folder/venv/bin/python" "$(dirname "$0")/perfetto_trace.py" -v
