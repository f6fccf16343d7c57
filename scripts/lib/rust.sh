# shellcheck shell=bash
# Rust is never installed here: a toolchain is the user's choice. Where programs are built.

# version_at_least HAVE WANTED
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

require_rust() {
  local wanted found
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$FA_ROOT/Cargo.toml" | head -n 1)
  have cargo || PATH=${CARGO_HOME:-$HOME/.cargo}/bin:$PATH
  { have cargo && have rustc; } || die "Rust ${wanted} or newer is needed, and no cargo is in PATH.
Install it from rustup.rs (profile minimal does to build; scripts/test needs clippy and rustfmt too)."
  found=$(rustc --version | cut -d' ' -f2)
  version_at_least "${found%%-*}" "$wanted" || die "Rust $wanted or newer is needed; $(command -v rustc) is $found. Try: rustup update stable"
}

# Prints the folder that cargo builds into; cargo knows best what decides that.
target_dir() {
  local told
  told=$(cd "$FA_ROOT" && cargo metadata --locked --no-deps --format-version 1) || return
  "${FACE_ATTRIBUTES_PYTHON:-python3}" -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])' <<<"$told"
}

# need_facelab [no]: sets program to a facelab that is built here, unless one was given. no: to the one that was built last.
need_facelab() {
  [ -z "$program" ] || return 0
  require_rust
  if [ "${1:-yes}" != no ]; then (cd "$FA_ROOT" && cargo build --locked --release -p facelab); fi
  program=$(target_dir)/release/facelab
  [ -x "$program" ] || die "no $program: it has to be built first"
}

# What scripts/torture needs for the targets of fuzz/.
FUZZ_VERSION=0.13.2
require_fuzzer() {
  local prefix=$1
  PATH=$prefix/bin:$PATH
  cargo fuzz --version >/dev/null 2>&1 && return
  say "Rust: building cargo-fuzz $FUZZ_VERSION into $prefix/bin (once, a minute)"
  cargo install --quiet --locked --root "$prefix" --version "$FUZZ_VERSION" cargo-fuzz >&2 ||
    die "cargo-fuzz could not be built (see above)"
}

# What scripts/test needs beyond the compiler.
NEXTEST_VERSION=0.9.143
require_test_tools() {
  local prefix=$1 tool
  for tool in fmt clippy; do
    cargo "$tool" --version >/dev/null 2>&1 || die "cargo $tool is missing. Try: rustup component add rustfmt clippy"
  done
  PATH=$prefix/bin:$PATH
  cargo nextest --version >/dev/null 2>&1 && return
  say "Rust: building cargo-nextest $NEXTEST_VERSION into $prefix/bin (once, some minutes)"
  cargo install --quiet --locked --root "$prefix" --version "$NEXTEST_VERSION" cargo-nextest >&2 ||
    die "cargo-nextest could not be built (see above). Install it yourself and run again: cargo install --locked cargo-nextest"
}
