#!/usr/bin/env bash
# pip_install.sh PYTHON FOLDER: `pip install .` in a fresh virtual environment, then what README.md
# prints, with what was installed, and poprt_compat beside the real ONNX Runtime. Exits with 77 where
# PyPI is not reached.
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
"$folder/venv/bin/pip" install -q onnxruntime onnx pyyaml
cd "$source_dir/tests/python"
export PATH="$folder/venv/bin:$PATH" TESSERA_SOURCE_DIR="$source_dir" PYTHONDONTWRITEBYTECODE=1
unset PYTHONPATH
[[ $(command -v tessera) == "$folder/venv/bin/tessera" ]]
tessera version
python -c 'import numpy, onnxruntime; print("NumPy", numpy.__version__, "ONNX Runtime", onnxruntime.__version__)'
python -m unittest -v test_arrays test_onnxruntime test_pack_runner test_readme test_runner
