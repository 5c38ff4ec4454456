#!/usr/bin/env bash
# deb.sh FOLDER: makes Debian packages, installs them with what they depend on in a fresh Debian, and
# runs the five jobs of tests/python/test_jobs.py there; then builds a program with the library.
# Exits with 77 where there is no root, no debootstrap, or no archive of Debian.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1 root=$1/root
# shellcheck source=tests/packaging/common.sh
. "$source_dir/tests/packaging/common.sh"
need_root
need debootstrap
mkdir -p "$folder"
rm -rf "$folder/packages"
"$source_dir/scripts/deb" "$folder/packages"

# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
rm -rf "$root"
make_debian "$release" "$root" "$folder/debootstrap.log"
cp "$folder"/packages/*.deb "$source_dir/tests/python/test_jobs.py" "$root/root"
in_root() {
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/bin:/usr/sbin:/bin:/sbin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@"
}
in_root sh -c 'apt-get update -qq &&
  apt-get install -y -qq --no-install-recommends ./root/tessera_*.deb ./root/python3-tessera_*.deb'
in_root tessera version
in_root python3 -c 'import tessera, poprt_compat; print(tessera.__file__)'
in_root sh -c 'cd /root && python3 -m unittest -v test_jobs'
in_root sh -c 'apt-get remove -y -qq tessera python3-tessera && ! test -e /usr/bin/tessera'

# The library, beside what it is built with here.
dpkg-deb -x "$folder"/packages/libtessera-dev_*.deb "$folder/library"
"$source_dir/tests/install/consumer_by_pkg_config.sh" "$folder/library/usr" \
  "$source_dir/examples/cpp/packed_answers.cpp" "$folder" c++
