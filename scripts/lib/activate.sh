# shellcheck shell=sh disable=SC2154
# Sourced by <prefix>/env.sh, which sets fa_root, fa_prefix, fa_ros_kind, fa_ros_distro, fa_ros_dir, fa_ros_libs, fa_python
# and fa_haar. Sourcing again changes nothing; sourcing another prefix's env.sh replaces this one.

# shellcheck source-path=SCRIPTDIR source=build_env.sh
. "$fa_root/scripts/lib/build_env.sh"

for fa_variable in PATH AMENT_PREFIX_PATH CMAKE_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH; do
  if [ -n "${FACE_ATTRIBUTES_PREFIX:-}" ]; then fa_strip "$fa_variable" "$FACE_ATTRIBUTES_PREFIX"; fi
  fa_strip "$fa_variable" "$fa_prefix"
done
unset fa_variable

if [ "$fa_ros_kind" = wheels ]; then
  export ROS_VERSION=2 ROS_PYTHON_VERSION=3 ROS_DISTRO="$fa_ros_distro" RMW_IMPLEMENTATION=rmw_fastrtps_cpp
  fa_prepend PATH "$fa_ros_dir/bin"
  fa_prepend AMENT_PREFIX_PATH "$fa_ros_dir"
  fa_prepend CMAKE_PREFIX_PATH "$fa_ros_dir"
  fa_rest_of_libs=$fa_ros_libs
  while [ -n "$fa_rest_of_libs" ]; do
    fa_prepend LD_LIBRARY_PATH "${fa_rest_of_libs%%:*}"
    case $fa_rest_of_libs in *:*) fa_rest_of_libs=${fa_rest_of_libs#*:} ;; *) fa_rest_of_libs= ;; esac
  done
  unset fa_rest_of_libs
  fa_prepend LD_LIBRARY_PATH "$fa_ros_dir/lib"
else
  # ROS's own set-up files read variables that may be unset.
  case $- in *u*) fa_nounset=yes ;; *) fa_nounset=no ;; esac
  set +u
  if [ -n "${ZSH_VERSION:-}" ]; then . "$fa_ros_dir/setup.zsh"; elif [ -n "${BASH_VERSION:-}" ]; then . "$fa_ros_dir/setup.bash"; else . "$fa_ros_dir/setup.sh"; fi
  if [ "$fa_nounset" = yes ]; then set -u; fi
  unset fa_nounset
  export RMW_IMPLEMENTATION="${RMW_IMPLEMENTATION:-rmw_fastrtps_cpp}"
  # r2r does not know Kilted by name; it takes it as rolling.
  if [ "$fa_ros_distro" = kilted ]; then export ROS_DISTRO=rolling; fi
fi

# A profile of the user's own stays.
case ${FASTRTPS_DEFAULT_PROFILES_FILE:-} in
  '' | */config/fastdds.xml) export FASTRTPS_DEFAULT_PROFILES_FILE="$fa_root/config/fastdds.xml" ;;
esac
export FASTDDS_DEFAULT_PROFILES_FILE="$FASTRTPS_DEFAULT_PROFILES_FILE"

export FACE_ATTRIBUTES_PREFIX="$fa_prefix"
export FACE_ATTRIBUTES_PYTHON="$fa_python"
export FACE_ATTRIBUTES_YUNET="$fa_prefix/models/face_detection_yunet_2023mar.onnx"
export FACE_ATTRIBUTES_HAAR="$fa_haar"
export FACE_ATTRIBUTES_MEDIA="$fa_prefix/media"

# The interfaces, once scripts/stage-interfaces has built them. Those of others stand behind ROS's own, and are not used beside them.
fa_others=$fa_prefix/$(fa_other_interfaces "$fa_root" 2>/dev/null)
if [ -f "$fa_others/.complete" ] && ! fa_has_package hri_msgs; then fa_use_others "$fa_others"; fi
fa_hash=$(fa_interface_hash "$fa_root" 2>/dev/null)
if [ -d "$fa_prefix/stage-$fa_hash" ]; then fa_use_stage "$fa_prefix/stage-$fa_hash"; fi
# An installed package of the same interfaces, whose setup file was sourced before, stays in front: it has the launch file.
fa_installed=${AMENT_PREFIX_PATH:-}
while [ -n "$fa_installed" ]; do
  fa_entry=${fa_installed%%:*}
  case $fa_installed in *:*) fa_installed=${fa_installed#*:} ;; *) fa_installed= ;; esac
  if [ -d "$fa_entry/share/face_attributes/launch" ] &&
    [ "$(fa_interface_hash "$fa_entry/share/face_attributes" 2>/dev/null)" = "$fa_hash" ]; then
    fa_prepend AMENT_PREFIX_PATH "$fa_entry"
  fi
done
fa_filter_packages
unset fa_hash fa_others fa_installed fa_entry fa_root fa_prefix fa_ros_kind fa_ros_distro fa_ros_dir fa_ros_libs fa_python fa_haar
