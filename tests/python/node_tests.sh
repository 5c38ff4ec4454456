#!/usr/bin/env bash
# node_tests.sh PYTHON FOLDER TEST_COMPILER: ONNX's node tests of the newest release on PyPI, each of
# which passes where it imports. Exits with 77 where PyPI is not reached.
set -euo pipefail
scripts=$(cd "$(dirname "$0")/../../scripts" && pwd)
python=$1 folder=$2 test_compiler=$3
mkdir -p "$folder"
[[ -x $folder/venv/bin/pip ]] || "$python" -m venv "$folder/venv"
if ! "$folder/venv/bin/pip" install -q --disable-pip-version-check onnx >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
"$folder/venv/bin/python" "$scripts/node_tests" "$folder/node"
TESSERA_NODE_TESTS=$folder/node exec "$test_compiler" --gtest_filter='NodeTests.of_the_newest*'
