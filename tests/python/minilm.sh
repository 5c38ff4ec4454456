#!/usr/bin/env bash
# minilm.sh PYTHON FOLDER: minilm.py in the virtual environment of `scripts/setup exports`, with the
# package of the trained model. Exits with 77 where PyPI is not reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2
mkdir -p "$folder"
if ! PYTHON="$python" "$here/../../scripts/setup" exports "$folder/venv" >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
read -ra forms <<<"${TESSERA_FORMS:-A}"
exec "$folder/venv/bin/python" "$here/minilm.py" "$folder/model" --forms "${forms[@]}"
