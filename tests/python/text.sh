#!/usr/bin/env bash
# text.sh PYTHON FOLDER: text_reference.py, text_server.py and text_hostile.py in the virtual environment of
# `scripts/setup text` (some 3 GB, most of it PyTorch). Exits with 77 where PyPI is not reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2
mkdir -p "$folder"
if ! PYTHON="$python" "$here/../../scripts/setup" text "$folder/venv" >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
cd "$here"
"$folder/venv/bin/python" -W ignore -m unittest -v test_text test_text_pipeline text_reference text_server text_hostile
# That both servers run and give the same vectors; its figures are not for now.
exec "$folder/venv/bin/python" "$here/../../scripts/bench_text" --only tessera onnxruntime \
  --callers 8 --seconds 2 --rounds 1 --p99 60000
