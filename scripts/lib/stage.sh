#!/bin/sh
# usage: stage.sh CMAKE BUILD_DIR STAGE    (by CMakeLists.txt)
# Installs the built interfaces, and nothing else, to STAGE: whole or not at all.
set -eu
cmake=$1 build=$2 stage=$3
# The path holds the hash of the interfaces: what is there is the same, and programs may be running on it.
if [ -f "$stage/.complete" ]; then
  touch "$stage/.complete"
  exit 0
fi
unfinished=$stage.unfinished.$$
trap 'rm -rf "$unfinished"' EXIT
DESTDIR='' "$cmake" --install "$build" --prefix "$unfinished" --component Unspecified >/dev/null
: >"$unfinished/.complete"
rm -rf "$stage"
mv "$unfinished" "$stage"
