#!/usr/bin/env bash
# bare_root.sh ROOT PYTHON: a root file system with the C library, GCC's run-time libraries, this
# CPython (one with a prefix of its own, as pyenv builds) and nothing else: no shell, no compiler, no
# LLVM, none of Debian's packages. Prints the path of the Python within it.
set -euo pipefail
root=$1
python=$(readlink -f "$("$2" -c 'import sys; print(sys.executable)')")
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
rm -rf "$root"
mkdir -p "$root"/{tmp,dev,root,proc} "$root$prefix"
(cd "$prefix" && tar -c --exclude=test --exclude=tests --exclude=__pycache__ --exclude='*.a' \
  --exclude=site-packages --exclude=idlelib --exclude=lib2to3 bin lib) | tar -x -C "$root$prefix"

# The libraries that the interpreter and its modules may need. Modules that want others (TLS, Tk, readline …) are
# left out, so that nothing of ours finds a library that came with them.
plain='^(libc|libm|libdl|libpthread|libutil|librt|libz|libstdc\+\+|libgcc_s|libffi|ld-linux-x86-64|libpython3[.0-9]*)\.so'
libraries_of() {
  ldd "$1" 2>/dev/null | sed -nE 's/^\s*(.* => )?(\/[^ ]+) .*/\2/p'
}
add_library() {
  mkdir -p "$root$(dirname "$1")"
  [[ -e $root$1 ]] || cp -L "$1" "$root$1"
}
while read -r file; do
  others=$(libraries_of "$file" | sed 's|.*/||' | grep -vE "$plain" || true)
  if [[ -n $others ]]; then
    rm "$root$file"
  else
    while read -r library; do add_library "$library"; done < <(libraries_of "$file")
  fi
done < <(echo "$python"; find "$prefix" -path '*/lib-dynload/*.so')
for library in lib{m,dl,pthread,rt,util}.so.{6,2,0,1} libstdc++.so.6 libgcc_s.so.1; do
  add_library "$(ldconfig -p | awk -v name="$library" '$1 == name && /x86-64/ && !found++ { print $NF }')"
done
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/urandom" c 1 9
echo "$python"
