#!/usr/bin/env bash
# clients.sh PYTHON FOLDER TESSERA: test_clients.py in a virtual environment with the clients that
# KServe, Triton and Prometheus publish. Exits with 77 where PyPI is not reached; a client that
# cannot be had is named, and its tests are left out.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=$1 folder=$2 tessera=$3
[[ -x $folder/bin/pip ]] || "$python" -m venv "$folder"
if ! "$folder/bin/pip" install -q --disable-pip-version-check \
  'tritonclient[http,grpc]' numpy prometheus_client >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
"$folder/bin/pip" install -q --disable-pip-version-check kserve >&2 || echo "left out: kserve"
TESSERA=$tessera exec "$folder/bin/python" -m unittest -v "$here/test_clients.py"
