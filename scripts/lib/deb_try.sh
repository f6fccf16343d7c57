# shellcheck shell=bash disable=SC2154
# Tries a package where nothing else is installed: a root made by debootstrap. Its caller sets scratch, a folder.

# try_in_debian FILE ROOT
try_in_debian() {
  local file=$1 debian=$2
  [ "$(id -u)" -eq 0 ] || die "--try-in-debian needs root: it makes a root and mounts in it. The package is $file"
  have debootstrap || install_packages debootstrap
  say "try: making a root of $(release) by debootstrap"
  debootstrap --variant=minbase "$(release)" "$debian" >"$scratch/debootstrap.log" 2>&1 ||
    { tail -n 20 "$scratch/debootstrap.log" >&2; die "debootstrap could not make a root (see above)"; }
  install -m 644 "$file" "$debian/package.deb"
  install -m 755 "$FA_SCRIPTS/lib/deb_try_inside.sh" "$debian/try.sh"
  if [ -f "$FACE_ATTRIBUTES_MEDIA/single_face.mp4" ]; then install -m 644 "$FACE_ATTRIBUTES_MEDIA/single_face.mp4" "$debian/video.mp4"; fi
  # The mounts end with the process.
  # shellcheck disable=SC2016 # expanded inside
  unshare --mount --pid --fork --propagation private sh -c '
    mount -t proc proc "$1/proc" && mkdir -p "$1/dev/shm" && mount -t tmpfs tmpfs "$1/dev/shm" &&
    exec chroot "$1" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
      http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" ROS_DOMAIN_ID="$2" sh /try.sh' \
    sh "$debian" "${ROS_DOMAIN_ID:-77}" >&2 || die "the package failed in a bare root (see above)"
}
