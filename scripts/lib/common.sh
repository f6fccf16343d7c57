# shellcheck shell=bash disable=SC2034
# Sourced by every script of this folder: messages, privileges, stamps, checksums.

FA_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FA_SCRIPTS=$FA_ROOT/scripts
FA_QUIET=${FA_QUIET:-no}

say() { [ "$FA_QUIET" = yes ] || printf '%s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# usage SCRIPT: the comment block at the top of a script is its help text.
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

# need_value OPTION COUNT: fails when an option that takes a value is the last word.
need_value() { [ "$2" -ge 2 ] || wrong_usage "$1 needs a value"; }

wrong_usage() {
  printf 'error: %s (try --help)\n' "$*" >&2
  exit 2
}

# Runs a command as root; returns 126 where that is not possible without asking somebody for a password at a terminal
# that is not there.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo "$@"
  else
    return 126
  fi
}

# sum_of FILE...: one digest over the contents, whatever the paths.
sum_of() { cat -- "$@" | sha256sum | cut -d' ' -f1; }

# stamp_is FILE TEXT: whether an earlier run finished the step with exactly these requirements.
stamp_is() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }

# check_sha256 FILE SUM: true when the file is there and is the one that was pinned.
check_sha256() { [ -f "$1" ] && [ "$(sha256sum <"$1" | cut -d' ' -f1)" = "$2" ]; }

# require_sha256 FILE SUM: the same, fatal. A file with another content is never used.
require_sha256() {
  check_sha256 "$1" "$2" && return
  die "checksum of $1 differs
  expected $2
  found    $( [ -f "$1" ] && sha256sum <"$1" | cut -d' ' -f1 || echo 'no such file')"
}

# prepare [SCRIPT...]: runs set-up, then these scripts (fetch-media, stage-interfaces), and takes the environment they leave.
prepare() {
  local script options=(--prefix "$PREFIX")
  if [ "$FA_QUIET" = yes ]; then options+=(--quiet); fi
  "$FA_SCRIPTS/setup" "${options[@]}"
  for script in "$@"; do "$FA_SCRIPTS/$script" "${options[@]}" >/dev/null; done
  # shellcheck source=/dev/null
  . "$PREFIX/env.sh"
}

# One run at a time in a prefix: tests and a person's shell may start set-up together.
lock_prefix() {
  mkdir -p "$1" 2>/dev/null || die "cannot create $1: choose another folder with --prefix"
  [ -w "$1" ] || die "cannot write to $1: choose another folder with --prefix"
  have flock || return 0
  exec 9>"$1/.lock"
  flock -n 9 || { say "waiting for another set-up of $1 to finish"; flock 9; }
}

# parse_prefix SCRIPT ARG...: the options that all scripts share. Sets PREFIX (absolute), FA_QUIET and REST (an array of
# the other words, for scripts that allow them by ALLOW_REST=yes).
parse_prefix() {
  local script=$1
  shift
  PREFIX=$FA_ROOT/.prefix
  REST=()
  while [ "$#" -gt 0 ]; do
    case $1 in
      --prefix) need_value "$1" "$#"; PREFIX=$2; shift ;;
      --prefix=*) PREFIX=${1#*=} ;;
      --quiet) FA_QUIET=yes ;;
      -h | --help) usage "$script"; exit 0 ;;
      *)
        [ "${ALLOW_REST:-no}" = yes ] || wrong_usage "unknown argument: $1"
        REST+=("$1")
        ;;
    esac
    shift
  done
  [ -n "$PREFIX" ] || wrong_usage '--prefix is empty'
  case $PREFIX in *[:\ ]*) wrong_usage 'the prefix may hold neither spaces nor colons (it becomes part of path lists)' ;; esac
  PREFIX=$(realpath -m -- "$PREFIX")
}
