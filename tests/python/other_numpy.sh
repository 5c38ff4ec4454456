#!/usr/bin/env bash
# other_numpy.sh PYTHON FOLDER: the tests of arrays and runners, and those that need tokenizers or
# onnx, in a virtual environment with the NumPy, 1 or 2, that PYTHON does not have. Exits with 77 where PyPI is not reached.
set -euo pipefail
python=$1 folder=$2
other='numpy>=2,<3'
[[ $("$python" -c 'import numpy; print(numpy.__version__)') == 2.* ]] && other='numpy<2'
[[ -d $folder ]] || "$python" -m venv "$folder"
if ! "$folder/bin/pip" install -q "$other" tokenizers onnx >&2; then
  echo "left out: PyPI is not reached"
  exit 77
fi
"$folder/bin/python" -c 'import numpy; print("NumPy", numpy.__version__)'
cd "$(dirname "$0")"
exec "$folder/bin/python" -m unittest -v test_arrays test_pack_runner test_poprt.FirstStep test_requests test_runner
