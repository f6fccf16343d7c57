# shellcheck shell=sh
# Environment of every build of this package: by a person's shell (activate.sh) and by CMake (cargo_build.sh).
# POSIX, because people source it from their own shell.

# fa_strip VAR PREFIX: drops the entries of a path list that are PREFIX or lie below it, and empty ones.
fa_strip() {
  eval "fa_rest=\${$1:-}"
  fa_kept=
  while [ -n "$fa_rest" ]; do
    fa_entry=${fa_rest%%:*}
    case $fa_rest in *:*) fa_rest=${fa_rest#*:} ;; *) fa_rest= ;; esac
    case $fa_entry in
      '' | "$2" | "$2"/*) ;;
      *) fa_kept=${fa_kept:+$fa_kept:}$fa_entry ;;
    esac
  done
  if [ -n "$fa_kept" ]; then eval "$1=\$fa_kept; export $1"; else unset "$1"; fi
  unset fa_rest fa_kept fa_entry
}

# fa_prepend VAR DIR: puts DIR first, once.
fa_prepend() {
  eval "fa_rest=\${$1:-}"
  fa_kept=$2
  while [ -n "$fa_rest" ]; do
    fa_entry=${fa_rest%%:*}
    case $fa_rest in *:*) fa_rest=${fa_rest#*:} ;; *) fa_rest= ;; esac
    case $fa_entry in '' | "$2") ;; *) fa_kept=$fa_kept:$fa_entry ;; esac
  done
  eval "$1=\$fa_kept; export $1"
  unset fa_rest fa_kept fa_entry
}

# fa_append VAR DIR: puts DIR last, once.
fa_append() {
  fa_strip "$1" "$2"
  eval "$1=\${$1:+\$$1:}\$2; export $1"
}

# fa_use_others DIR: the same as fa_use_stage, behind everything else.
fa_use_others() {
  fa_append AMENT_PREFIX_PATH "$1"
  fa_append LD_LIBRARY_PATH "$1/lib"
  for fa_site in "$1"/lib/python3*/site-packages "$1"/local/lib/python3*/dist-packages; do
    if [ -d "$fa_site" ]; then fa_append PYTHONPATH "$fa_site"; fi
  done
  unset fa_site
}

# fa_use_stage DIR: makes the interfaces installed in DIR visible to r2r, to programs and to rclpy.
fa_use_stage() {
  fa_prepend AMENT_PREFIX_PATH "$1"
  fa_prepend LD_LIBRARY_PATH "$1/lib"
  for fa_site in "$1"/lib/python3*/site-packages "$1"/local/lib/python3*/dist-packages; do
    if [ -d "$fa_site" ]; then fa_prepend PYTHONPATH "$fa_site"; fi
  done
  unset fa_site
}

# fa_hash_of FILE...: what interface files say.
fa_hash_of() {
  {
    printf '%s\n' "${ROS_DISTRO:-}"
    for fa_file in "$@"; do
      printf '%s\n' "$fa_file"
      # An edited comment is no reason to generate for minutes. A line with quotes may hold a # that is no comment.
      sed -e "/[\"']/!s/[[:space:]]*#.*//" -e '/^[[:space:]]*$/d' "$fa_file"
    done
  } | sha256sum | cut -c1-12
}

# fa_interface_hash ROOT: names a stage. r2r regenerates only when an environment variable changes, so the hash of the
# interfaces is part of a path that it watches.
fa_interface_hash() {
  (
    cd "$1" || exit 1
    LC_ALL=C
    export LC_ALL
    fa_hash_of msg/*.msg srv/*.srv action/*.action
  )
}

# fa_other_interfaces ROOT: names the folder of the interfaces of others (tests/interfaces).
fa_other_interfaces() {
  (
    cd "$1/tests/interfaces" || exit 1
    LC_ALL=C
    export LC_ALL
    printf 'other-interfaces-%s' "$(fa_hash_of ./*/msg/*.msg)"
  )
}

# fa_has_package NAME: whether ROS's packages that are in the environment have it.
fa_has_package() {
  fa_rest=${AMENT_PREFIX_PATH:-}:
  while [ -n "$fa_rest" ]; do
    if [ -d "${fa_rest%%:*}/share/$1" ]; then
      unset fa_rest
      return 0
    fi
    fa_rest=${fa_rest#*:}
  done
  unset fa_rest
  return 1
}

# fa_filter_packages: r2r generates these packages and no others. It does not resolve dependencies: nested ones are listed too.
# Those of REP-155 are named once they are installed: r2r, and build.rs, look again when a variable changes.
fa_filter_packages() {
  IDL_PACKAGE_FILTER='action_msgs;builtin_interfaces;diagnostic_msgs;face_attributes;geometry_msgs;lifecycle_msgs;rcl_interfaces;rosgraph_msgs;sensor_msgs;service_msgs;std_msgs;type_description_interfaces;unique_identifier_msgs'
  if fa_has_package hri_msgs && fa_has_package tf2_msgs; then IDL_PACKAGE_FILTER="$IDL_PACKAGE_FILTER;hri_msgs;tf2_msgs"; fi
  export IDL_PACKAGE_FILTER
}

# Debian has opencv4.pc only in the big libopencv-dev, so the modules are named here. Values set by hand are kept.
fa_multiarch=$(cc -print-multiarch 2>/dev/null) || fa_multiarch=
fa_multiarch=${fa_multiarch:-$(uname -m)-linux-gnu}
export OPENCV_LINK_LIBS="${OPENCV_LINK_LIBS:-opencv_core,opencv_calib3d,opencv_imgproc,opencv_objdetect,opencv_dnn,opencv_video,opencv_videoio}"
export OPENCV_LINK_PATHS="${OPENCV_LINK_PATHS:-/usr/lib/$fa_multiarch}"
# Both folders: cvconfig.h lies in the second.
export OPENCV_INCLUDE_PATHS="${OPENCV_INCLUDE_PATHS:-/usr/include/opencv4,/usr/include/$fa_multiarch/opencv4}"
unset fa_multiarch
