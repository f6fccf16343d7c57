# shellcheck shell=bash disable=SC2034
# Debian and Ubuntu packages.

APT_PACKAGES=(
  build-essential cmake ninja-build pkg-config clang libclang-dev
  libopencv-calib3d-dev libopencv-dnn-dev libopencv-objdetect-dev libopencv-video-dev libopencv-videoio-dev opencv-data
)

# Prints those of the named packages that dpkg does not have.
missing_packages() {
  local package
  for package in "$@"; do
    dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || printf '%s\n' "$package"
  done
}

# install_packages NAME...: installs what is missing, or says how.
install_packages() {
  local missing manual status=0
  have dpkg-query || {
    warn "this is neither Debian nor Ubuntu: make sure that the equivalents of these are installed: $*"
    return
  }
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  manual="apt-get install --no-install-recommends ${missing[*]}"
  say "apt: installing ${missing[*]}"
  apt_get update --quiet=2 || status=$?
  [ "$status" -ne 126 ] || die "packages are missing, and this user may not install them. As root:
  $manual"
  # A stale third-party source makes update fail although ours are fine: install decides.
  apt_get install --yes --quiet=2 --no-install-recommends "${missing[@]}" ||
    die "apt could not install the packages (see above). As root:
  apt-get update && $manual"
}

# The browser of the page's tests; without one they are skipped, and say so.
offer_browser() {
  have chromium || have chromium-browser || (install_packages chromium) || warn "there is no Chromium: the page is not tested"
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Dpkg::Use-Pty=0 "$@" >&2; }
