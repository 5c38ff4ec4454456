#!/usr/bin/env bash
# container.sh FOLDER: builds packaging/Containerfile by buildah, on a Debian that debootstrap makes in
# place of the published image, then starts the server of the image and asks it. Exits with 77 where
# there is no root, no buildah, no debootstrap, or no archive of Debian.
set -euo pipefail
source_dir=$(cd "$(dirname "$0")/../.." && pwd)
folder=$1
# shellcheck source=tests/packaging/common.sh
. "$source_dir/tests/packaging/common.sh"
need_root
need buildah debootstrap
export BUILDAH_ISOLATION=chroot
base=$(sed -n 's/^FROM \(\S*\)$/\1/p' "$source_dir/packaging/Containerfile")
release=${base#debian:} release=${release%-slim}
images=(--root "$folder/images" --runroot "$folder/run")
mkdir -p "$folder"
rm -rf "$folder/base" "$folder/context"
mkdir "$folder/context"
make_debian "$release" "$folder/base" "$folder/debootstrap.log"

container=$(buildah "${images[@]}" from scratch)
buildah "${images[@]}" add -q "$container" "$folder/base" / >/dev/null
buildah "${images[@]}" commit -q "$container" "docker.io/library/$base" >/dev/null
buildah "${images[@]}" rm "$container" >/dev/null
rm -rf "$folder/base"
git -C "$source_dir" archive HEAD | tar -x -C "$folder/context"
buildah "${images[@]}" bud --pull-never -t tessera -f packaging/Containerfile "$folder/context"

container=$(buildah "${images[@]}" from --pull-never localhost/tessera)
finish() {
  [[ -z ${server:-} ]] || kill "$server" 2>/dev/null || true
  buildah "${images[@]}" rm "$container" >/dev/null
}
trap finish EXIT
in_image() { buildah "${images[@]}" run "$container" -- "$@"; }
in_image tessera version
in_image sh -c 'cd && mkdir -p models/bert/1 && tessera make-model --preset tiny -o bert.onnx &&
  tessera compile --input_model bert.onnx --input_shape input_ids=4,16 --target test \
    --passes insert_attention_mask -o models/bert/1/model.popef && id -un'
in_image sh -c 'exec tessera serve --model_folder ~/models --http_port 8123 --grpc_port -1' &
server=$!
for ((i = 0; i < 120; ++i)); do
  python3 -c 'import urllib.request as u; u.urlopen("http://127.0.0.1:8123/v2/models/bert/ready")' \
    2>/dev/null && break
  sleep 0.5
done
python3 -c '
import json, urllib.request as u
tensor = {"name": "input_ids", "datatype": "INT64", "shape": [1, 3], "data": [5, 6, 7]}
body = json.dumps({"inputs": [tensor]}).encode()
print(u.urlopen("http://127.0.0.1:8123/v2/models/bert/infer", data=body).read().decode()[:100])'
echo "the image serves; its size: $(du -sm "$(buildah "${images[@]}" mount "$container")" | cut -f1) MB"
