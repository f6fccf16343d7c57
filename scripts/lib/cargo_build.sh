#!/bin/sh
# usage: cargo_build.sh STAGE INSTALL_PREFIX CARGO ARGUMENT...    (by CMakeLists.txt)
# Runs cargo against the staged interfaces.
set -eu
stage=$1 install=$2
shift 2
# shellcheck source-path=SCRIPTDIR source=build_env.sh
. "$(dirname "$0")/build_env.sh"
# A shell that sourced the result of an earlier build, and colcon, which copies one path list to the other, would otherwise
# make r2r generate everything again; and two stages would give it every interface twice. What is
# installed must not need the interfaces that stand in for the tests.
for variable in AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH; do
  for folder in "$install" "${stage%/*}"/stage-* "${FACE_ATTRIBUTES_PREFIX:-$install}"/stage-* "${FACE_ATTRIBUTES_PREFIX:-$install}"/other-interfaces-*; do fa_strip "$variable" "$folder"; done
done
fa_use_stage "$stage"
fa_filter_packages
exec "$@"
