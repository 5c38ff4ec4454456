#!/usr/bin/env bash
# consumer_by_pkg_config.sh PREFIX SOURCE FOLDER COMPILER: compiles and runs SOURCE with the flags
# that pkg-config gives.
set -euo pipefail
prefix=$1 source=$2 folder=$3 compiler=$4
command -v pkg-config >/dev/null || { echo "left out: pkg-config is not installed"; exit 77; }
pc=$(dirname "$(find "$prefix" -name tessera.pc)")
export PKG_CONFIG_PATH=$pc
read -ra flags < <(pkg-config --cflags --libs tessera)
"$compiler" "$source" -o "$folder/by_pkg_config" "${flags[@]}"
"$folder/by_pkg_config"
