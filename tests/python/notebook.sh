#!/usr/bin/env bash
# notebook.sh PYTHON FOLDER: notebook.py in a virtual environment with Jupyter's kernel and client.
# Exits with 77 where PyPI is not reached, or no browser is installed.
set -euo pipefail
python=$1 folder=$2
for program in chromium chromedriver; do
  if ! command -v "$program" >/dev/null; then
    echo "left out: $program is not installed, scripts/setup browser"
    exit 77
  fi
done
[[ -x $folder/venv/bin/pip ]] || "$python" -m venv "$folder/venv"
if ! "$folder/venv/bin/pip" install -q --disable-pip-version-check ipykernel nbclient nbconvert \
  numpy >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
here=$(dirname "$0")
TESSERA=$(command -v tessera) PYTHONPATH=$PYTHONPATH:$here/../report \
  exec "$folder/venv/bin/python" "$here/notebook.py" -v
