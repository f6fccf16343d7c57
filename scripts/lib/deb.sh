# shellcheck shell=bash disable=SC2154
# Writes a Debian package from a folder: control file, licences, checksums, the file itself. Its caller sets scratch, a
# folder for what is in between.

# manifest FIELD: a value of package.xml.
manifest() { sed -n "s/^ *<$1[^>]*>\([^<]*\)<.*/\1/p" "$FA_ROOT/package.xml"; }

# ros_dependencies KIND: the distribution's packages that package.xml names, as bloom calls them.
ros_dependencies() {
  local name
  {
    manifest depend
    manifest exec_depend
    # Where they are installed, programs are built with them (build.rs).
    for name in hri_msgs tf2_msgs; do if [ "$1" = distribution ] && [ -d "$ROS_DIR/share/$name" ]; then echo "$name"; fi; done
  } | sort -u | while read -r name; do
    case $1-$name in
      # System libraries: dpkg-shlibdeps knows which.
      *-lib*) ;;
      interfaces-only-*_msgs | interfaces-only-*_interfaces | interfaces-only-rosidl_default_runtime | distribution-*)
        printf 'ros-%s-%s, ' "$ROS_NAME" "${name//_/-}"
        ;;
    esac
  done
}

# system_dependencies ROOT TARGET KIND: the system's packages whose libraries the files in ROOT need.
system_dependencies() {
  local root=$1 target=$2 kind=$3 files line
  mapfile -t files < <(find "$root" -type f \( -name '*.so*' -o -path '*/lib/face_attributes/*' \) ! -path '*/python3*' | sort)
  # Generated code needs what the programs need, and less; reading all of it takes long.
  if [ -d "$root$target/lib/face_attributes" ]; then mapfile -t files < <(printf '%s\n' "${files[@]}" | grep -v '__rosidl_'); fi
  # It wants to be called from a source package, and knows by its control file that ROOT is the package.
  mkdir -p "$scratch/source/debian"
  printf 'Source: face-attributes\n\nPackage: face-attributes\nArchitecture: any\n' | tee "$root/DEBIAN/control" >"$scratch/source/debian/control"
  # A distribution's ROS libraries have no version that dpkg could read; their packages are named above. Those of a bundle are
  # its own, not the sourced ones.
  line=$(cd "$scratch/source" && if [ "$kind" = bundle ]; then unset LD_LIBRARY_PATH; fi && dpkg-shlibdeps -O --ignore-missing-info --warnings=0 \
    "-l$root$target/lib" "-l$target/lib" "-S$root" "${files[@]/#/-e}" 2>"$scratch/shlibdeps") ||
    { cat "$scratch/shlibdeps" >&2; die "dpkg-shlibdeps could not tell which packages the libraries come from"; }
  sed -n 's/^shlibs:Depends=//p' <<<"$line"
}

# release: of the system, as bloom appends it.
release() { (. /etc/os-release && printf '%s' "${VERSION_CODENAME:-$ID}"); }

# write_control ROOT PACKAGE KIND TARGET: DEBIAN/control and DEBIAN/md5sums; times and modes of all files.
write_control() {
  local root=$1 package=$2 kind=$3 target=$4 depends other
  find "$root" -type d -exec chmod 755 {} +
  find "$root" -type f -perm -u+x ! -name '*.so*' -exec chmod 755 {} +
  find "$root" -type f \( ! -perm -u+x -o -name '*.so*' \) -exec chmod 644 {} +
  depends=$(system_dependencies "$root" "$target" "$kind")
  if [ "$kind" != bundle ]; then depends=$(ros_dependencies "$kind")$depends; fi
  other=$(case $package in *-msgs) printf %s "${package%-msgs}" ;; ros-*) printf %s "$package-msgs" ;; esac)
  {
    printf '%s: %s\n' Package "$package" Version "$(manifest version)-0$(release)" Architecture "$(dpkg --print-architecture)" \
      Maintainer "$(manifest maintainer) <$(sed -n 's/.*<maintainer email="\([^"]*\)".*/\1/p' "$FA_ROOT/package.xml")>" \
      Section misc Priority optional Installed-Size "$(installed_size "$root")" Depends "${depends%, }"
    # Both have the interfaces.
    if [ -n "$other" ]; then printf '%s: %s\n' Conflicts "$other" Replaces "$other"; fi
    case $package in *-msgs) ;; ros-*) printf 'Provides: %s\n' "$other" ;; esac
    case $kind in
      interfaces-only) printf 'Description: ROS 2 interfaces of face_attributes\n For machines that listen, call services or play bags, and do not look for faces.\n' ;;
      *) printf 'Description: ROS 2 node that says of faces what it was taught\n %s\n' "$(manifest description)" ;;
    esac
  } >"$root/DEBIAN/control"
  (cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}

# installed_size ROOT: in KiB, each file rounded up, so that it does not depend on the file system here.
installed_size() { find "$1" -path "$1/DEBIAN" -prune -o -type f -printf '%s\n' | awk '{sum += int(($1 + 1023) / 1024)} END {print sum}'; }

# write_documents ROOT PACKAGE KIND: who holds the rights, and under which terms.
write_documents() {
  local folder=$1/usr/share/doc/$2 options=()
  mkdir -p "$folder"
  cp "$FA_ROOT/CHANGELOG.md" "$folder"
  if [ "$3" = bundle ]; then options=(--ros "$ROS_DIR"); fi
  if [ "$3" != interfaces-only ]; then
    cp "$FA_ROOT/README.md" "$FA_ROOT/MODEL_CARD.md" "$folder"
    "$FACE_ATTRIBUTES_PYTHON" "$FA_SCRIPTS/lib/licences.py" --root "$FA_ROOT" "${options[@]}" >"$folder/licences.txt" ||
      die "the licences could not be collected (see above)"
  fi
  cat >"$folder/copyright" <<END
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: face_attributes

Files: *
Copyright: the contributors of face_attributes
License: Apache-2.0
END
  if [ "$3" != interfaces-only ]; then
    cat >>"$folder/copyright" <<END
Comment: The programs contain the Rust crates that licences.txt names, with their texts. MODEL_CARD.md names the data that
 the weights were trained on, and their terms.

Files: */models/face_detection_yunet_2023mar.onnx
Copyright: 2020 Shiqi Yu
License: Expat
END
  fi
  if [ "$3" = bundle ]; then
    cat >>"$folder/copyright" <<END

Files: opt/face_attributes/lib/lib*
Copyright: the authors of ROS 2, eProsima and others
License: Apache-2.0
Comment: licences.txt names the packages. Some libraries that ROS's wheels carry have other terms: liblttng-ust*, liburcu-*
 LGPL-2.1; libcrypto*, libssl* OpenSSL; libyaml*, libspdlog*, libfmt* MIT; libtinyxml2* zlib.
END
  fi
  cat >>"$folder/copyright" <<END

License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
END
  if [ "$3" != interfaces-only ]; then
    cat >>"$folder/copyright" <<END

License: Expat
$(mit_text)
END
  fi
}

# The terms of the MIT licence, as a paragraph of a copyright file.
mit_text() {
  cat <<'END'
 Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
 files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
 modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the
 Software is furnished to do so, subject to the following conditions: The above copyright notice and this permission notice
 shall be included in all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY
 OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR
 PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
 LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR
 THE USE OR OTHER DEALINGS IN THE SOFTWARE.
END
}

# deb_name ROOT: the file's name as Debian has it.
deb_name() { awk '{value[$1] = $2} END {printf "%s_%s_%s.deb", value["Package:"], value["Version:"], value["Architecture:"]}' "$1/DEBIAN/control"; }

# build_deb ROOT FILE OPTION...: whole or not at all.
build_deb() {
  local root=$1 file=$2
  shift 2
  dpkg-deb --root-owner-group "$@" --build "$root" "$file.part" >/dev/null
  mv "$file.part" "$file"
}
