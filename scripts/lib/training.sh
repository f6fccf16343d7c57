# shellcheck shell=bash disable=SC2034
# What the trainings share: their packs, the program, giving way, where the data comes from.

declare -A PROVENANCE=(
  [gender]="FairFace (Karkkainen & Joo 2021), CC BY 4.0"
  [age]="FairFace (Karkkainen & Joo 2021), CC BY 4.0"
  [emotion]="FER+ votes (MIT) on FER2013 images (no stated licence, research use)"
)

# require_packs DATA: the packs that trainings read.
require_packs() {
  local pack
  for pack in fairface ferplus; do
    [ -f "$1/$pack/labels.csv" ] || die "$1/$pack: no pack (docs/facelab.md, \"Data\"); say where with --data"
  done
}

# Sets program to a facelab that is built here, unless one was given.
need_facelab() {
  [ -z "$program" ] || return 0
  (cd "$FA_ROOT" && cargo build --locked --release -p facelab)
  program=${CARGO_TARGET_DIR:-$FA_ROOT/target}/release/facelab
}

# Until the script ends, all that is started from this terminal gives way to everything else, and "${GIVING_WAY[@]}" before a
# command most of all: nice counts within one terminal's processes alone where the system groups them.
give_way() {
  local before
  before=$(sed -n 's/.* nice //p' /proc/self/autogroup 2>/dev/null || true)
  if [ -n "$before" ] && { echo 19 >/proc/self/autogroup; } 2>/dev/null; then
    # shellcheck disable=SC2064
    trap "{ echo $before >/proc/self/autogroup; } 2>/dev/null || true" EXIT
  fi
  # Activations are large and short-lived: without this the system clears pages for a tenth of the time.
  export GLIBC_TUNABLES=glibc.malloc.hugetlb=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 MALLOC_TOP_PAD_=268435456
  GIVING_WAY=(nice -n 19)
  if have chrt; then GIVING_WAY=(chrt -i 0); fi
}
