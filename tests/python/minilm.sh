#!/usr/bin/env bash
# minilm.sh PYTHON FOLDER [fp8]: minilm.py, or minilm_fp8.py, in the virtual environment of
# `scripts/setup exports`, with the package of the trained model. Exits with 77 where PyPI is not
# reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2
mkdir -p "$folder"
if ! PYTHON="$python" "$here/../../scripts/setup" exports "$folder/venv" >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
if [[ ${3:-} == fp8 ]]; then
  exec "$folder/venv/bin/python" "$here/minilm_fp8.py" "$folder/model"
fi
read -ra forms <<<"${TESSERA_FORMS:-A}"
exec "$folder/venv/bin/python" "$here/minilm.py" "$folder/model" --forms "${forms[@]}"
