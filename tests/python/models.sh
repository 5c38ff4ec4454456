#!/usr/bin/env bash
# models.sh PYTHON FOLDER: scripts/exports for the exporters in TESSERA_EXPORTERS (those that most
# people use), in the virtual environment of `scripts/setup exports`. Fails where an answer is wrong;
# a refusal is not a failure. Exits with 77 where PyPI is not reached.
set -euo pipefail
scripts=$(cd "$(dirname "$0")/../../scripts" && pwd)
python=$1 folder=$2
mkdir -p "$folder"
if ! PYTHON="$python" "$scripts/setup" exports "$folder/venv" >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
read -ra exporters <<<"${TESSERA_EXPORTERS:-dynamo-18-sdpa torchscript-14-sdpa}"
export HF_HUB_OFFLINE=1
run=("$folder/venv/bin/python" "$scripts/exports")
"${run[@]}" generate --folder "$folder/graphs" --exporter "${exporters[@]}"
exec "${run[@]}" compare --folder "$folder/graphs" --exporter "${exporters[@]}" --again
