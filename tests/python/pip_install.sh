#!/usr/bin/env bash
# pip_install.sh PYTHON FOLDER: `pip install .` in a fresh virtual environment, then what README.md
# prints, with what was installed. Exits with 77 where PyPI is not reached.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
python=$1 folder=$2
rm -rf "$folder/venv"
"$python" -m venv "$folder/venv"
if ! "$folder/venv/bin/pip" download -q --no-deps -d "$folder" "scikit-build-core>=0.10" >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
"$folder/venv/bin/pip" install "$source_dir"
cd "$source_dir/tests/python"
export PATH="$folder/venv/bin:$PATH" TESSERA_SOURCE_DIR="$source_dir" PYTHONDONTWRITEBYTECODE=1
unset PYTHONPATH
[[ $(command -v tessera) == "$folder/venv/bin/tessera" ]]
tessera version
python -m unittest -v test_readme test_runner
