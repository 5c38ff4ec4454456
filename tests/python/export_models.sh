#!/usr/bin/env bash
# export_models.sh PYTHON FOLDER: export_models.py in a virtual environment with PyTorch and
# Transformers from PyPI (some 3 GB). Exits with 77 where PyPI is not reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2
[[ -d $folder/venv ]] || "$python" -m venv "$folder/venv"
if ! "$folder/venv/bin/pip" install -q torch==1.13.1 transformers==4.27.4 onnx==1.14.1 'numpy<2' >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
exec "$folder/venv/bin/python" "$here/export_models.py"
