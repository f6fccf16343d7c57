#!/bin/sh
# Starts the program by whose name it is called, with the settings that a sourced ROS would give it.
set -eu
home=/opt/face_attributes
export RMW_IMPLEMENTATION=rmw_fastrtps_cpp
# A profile of the user's own stays.
export FASTRTPS_DEFAULT_PROFILES_FILE="${FASTRTPS_DEFAULT_PROFILES_FILE:-$home/share/face_attributes/config/fastdds.xml}"
export FACE_ATTRIBUTES_YUNET="${FACE_ATTRIBUTES_YUNET:-$home/share/face_attributes/models/face_detection_yunet_2023mar.onnx}"
program=$home/lib/face_attributes/${0##*/}
if [ ! -x "$program" ]; then
  echo "error: call it as one of: $(cd "$home/lib/face_attributes" && echo *)" >&2
  exit 2
fi
exec "$program" "$@"
