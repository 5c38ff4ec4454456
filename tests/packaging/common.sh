# shellcheck shell=bash
# Functions of the tests of this folder, which source this file.
set -euo pipefail

# left_out REASON: ends the test as skipped.
left_out() {
  echo "left out: $1"
  exit 77
}

need_root() { ((EUID == 0)) || left_out "needs root, for chroot"; }

# need TOOL…
need() {
  local tool
  for tool in "$@"; do command -v "$tool" >/dev/null || left_out "$tool is not installed"; done
}

# make_debian RELEASE ROOT LOG: a Debian of the least packages below ROOT.
make_debian() {
  debootstrap --variant=minbase "$1" "$2" >"$3" || left_out "Debian's archive is not reached: $3"
}
