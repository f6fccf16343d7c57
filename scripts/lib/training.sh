# shellcheck shell=bash disable=SC2034
# What the trainings share: their packs, options, giving way, where the data comes from.

declare -A PROVENANCE=(
  [gender]="FairFace (Karkkainen & Joo 2021), CC BY 4.0"
  [age]="FairFace (Karkkainen & Joo 2021), CC BY 4.0"
  [emotion]="FER+ votes (MIT) on FER2013 images (no stated licence, research use)"
)

# What all refinements are told, and what the last phase of scripts/train-default is told, as which scripts/card-kit goes on on a
# card. Batch, steps, seed and checkpoints are each script's own.
LEARNED=(--learning-rate 5e-4 --neighbours age=0.25 --keep-columns)
FURTHER=("${LEARNED[@]}" --descriptor-weight 3 --averaging 0.999 --occlusion 0.2 --hog-weight 0.1 --class-weighting 0.45
  --frozen-layers 3)

# require_packs DATA [ELSE]: the packs that trainings read. ELSE: what may be done without them.
require_packs() {
  local pack
  for pack in fairface ferplus; do
    [ -f "$1/$pack/labels.csv" ] || die "$1/$pack: no pack (docs/facelab.md, \"Data\"); say where with --data${2:+, or $2}"
  done
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
