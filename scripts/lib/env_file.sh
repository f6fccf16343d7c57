# shellcheck shell=bash
# Writes <prefix>/env.sh.

# The newest Haar cascade that Debian's opencv-data installed; another place when OpenCV was built by hand.
find_haar() {
  local folder
  for folder in /usr/share/opencv4 /usr/local/share/opencv4 /usr/share/opencv; do
    if [ -f "$folder/haarcascades/haarcascade_frontalface_alt2.xml" ]; then
      printf '%s' "$folder/haarcascades/haarcascade_frontalface_alt2.xml"
      return
    fi
  done
  die 'haarcascade_frontalface_alt2.xml not found: install opencv-data'
}

# write_env PREFIX: reads ROS_KIND, ROS_NAME, ROS_DIR, PYTHON, which the ROS step has set.
write_env() {
  local prefix=$1 libs='' folder temporary haar
  haar=$(find_haar)
  if [ "$ROS_KIND" = wheels ]; then
    for folder in "$ROS_DIR"/lib/python3*/site-packages/ros_*.libs; do
      if [ -d "$folder" ]; then libs=${libs:+$libs:}$folder; fi
    done
  fi
  temporary=$(mktemp "$prefix/.env.XXXXXX")
  {
    printf '# Written by scripts/setup. Source it in bash or zsh:  . %q\n' "$prefix/env.sh"
    printf '%s=%q\n' fa_root "$FA_ROOT" fa_prefix "$prefix" fa_ros_kind "$ROS_KIND" fa_ros_distro "$ROS_NAME" \
      fa_ros_dir "$ROS_DIR" fa_ros_libs "$libs" fa_python "$PYTHON" fa_haar "$haar"
    # shellcheck disable=SC2016 # expanded when env.sh is sourced
    printf '%s\n' '. "$fa_root/scripts/lib/activate.sh"'
  } >"$temporary"
  chmod 644 "$temporary"
  mv "$temporary" "$prefix/env.sh"
}
