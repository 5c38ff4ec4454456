#!/usr/bin/env bash
# hook_test.sh: scripts/hooks/pre-commit in a repository of its own. Exits with 77 where the tools of
# the gates are not installed.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
eslint=$source_dir/build/tools/node/node_modules/.bin/eslint
for tool in clang-format-19 shellcheck mypy "$source_dir/build/tools/bin/ruff" "$eslint"; do
  command -v "$tool" >/dev/null || { echo "left out: $tool is not installed"; exit 77; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset "${!GIT_@}" # a hook that runs this test has set them
git init -q .
cp -r "$source_dir"/{scripts,python,pyproject.toml,.clang-format,eslint.config.cjs} .
mkdir build
ln -s "$source_dir/build/tools" build/tools
echo /build >.gitignore
git add .

fail() {
  echo "$*" >&2
  exit 1
}
# refused WORDS: the hook says them, and refuses.
refused() {
  if scripts/hooks/pre-commit >said 2>&1; then fail "a commit is taken that must be refused: $1"; fi
  grep -qF -- "$1" said || fail "does not say '$1': $(cat said)"
}
taken() { scripts/hooks/pre-commit >said 2>&1 || fail "a good commit is refused: $(cat said)"; }

taken

printf 'int  main() {}\n' >a.cpp
git add a.cpp
refused 'a.cpp:1'
echo 'int main() {}' >a.cpp
refused 'a.cpp:1' # what is staged counts, not what the file has become
git add a.cpp
taken

# shellcheck disable=SC2016 # the script's own $1
printf '#!/usr/bin/env bash\nset -euo pipefail\necho $1\n' >script
git add script
refused SC2086
printf '#!/usr/bin/env bash\necho 1\n' >script
git add script
refused 'script: must have a line: set -euo pipefail'
git rm -qf script

echo 'import os' >unused.py
git add unused.py
refused F401
git rm -qf unused.py
echo 'kVersion: int = "1"' >python/tessera/wrong.py
git add python/tessera/wrong.py
refused 'python/tessera/wrong.py'
git rm -qf python/tessera/wrong.py

mkdir -p report/page
echo 'export const shown = (text) => { document.body.innerHTML = text; };' >report/page/wrong.js
git add report/page/wrong.js
refused no-restricted-properties
echo 'export const shown = (text) => { document.body.textContent = text; };' >report/page/wrong.js
git add report/page/wrong.js
taken
git rm -qf report/page/wrong.js

mkdir no_tools
for tool in bash env git dirname mktemp rm mkdir ln cat grep sed awk xargs head; do
  ln -s "$(command -v "$tool")" no_tools
done
PATH=$PWD/no_tools refused 'clang-format-19: is not installed, must be: scripts/setup gates'
