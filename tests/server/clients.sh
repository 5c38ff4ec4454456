#!/usr/bin/env bash
# clients.sh PYTHON FOLDER TESSERA: test_triton.py, test_openapi.py and test_kserve.py in a virtual
# environment with the clients that KServe, Triton and Prometheus publish, and schemathesis. Exits
# with 77 where PyPI is not reached; a client that cannot be had is named, and its test is left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2 tessera=$3
[[ -x $folder/bin/pip ]] || "$python" -m venv "$folder"
if ! "$folder/bin/pip" install -q --disable-pip-version-check \
  'tritonclient[http,grpc]' numpy prometheus_client >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
cd "$here"
export TESSERA=$tessera PYTHONDONTWRITEBYTECODE=1
"$folder/bin/python" -m unittest -v test_triton
if "$folder/bin/pip" install -q --disable-pip-version-check 'schemathesis>=4.20' >&2; then
  "$folder/bin/python" -m unittest -v test_openapi
else
  echo "left out: schemathesis cannot be installed here"
fi
if "$folder/bin/pip" install -q --disable-pip-version-check kserve >&2; then
  "$folder/bin/python" -m unittest -v test_kserve
else
  echo "left out: kserve cannot be installed here"
fi
