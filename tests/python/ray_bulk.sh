#!/usr/bin/env bash
# ray_bulk.sh PYTHON FOLDER CASE: CASE of ray_bulk.py in a virtual environment with Ray and PyArrow. Exits with 77
# where PyPI is not reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2 case=$3
[[ -x $folder/bin/pip ]] || "$python" -m venv "$folder"
if ! "$folder/bin/pip" install -q --disable-pip-version-check \
  'ray[data]>=2.51' 'pyarrow>=15' 'numpy>=1.23' >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
cd "$here"
exec "$folder/bin/python" -m unittest -v "ray_bulk.$case"
