#!/usr/bin/env bash
# schemas.sh PYTHON FOLDER: test_schemas.py in a virtual environment with the schemas of Kubernetes
# and the models of KServe. Exits with 77 where PyPI is not reached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2
[[ -x $folder/bin/pip ]] || "$python" -m venv "$folder"
if ! "$folder/bin/pip" install -q --disable-pip-version-check \
  'kubernetes-validate>=1.30' kserve pyyaml >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
cd "$here"
exec "$folder/bin/python" -m unittest -v test_schemas
