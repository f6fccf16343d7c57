# shellcheck shell=bash
# Finds the Python that interface generation and the tests run on. The node needs none.

# The ROS wheels exist for these versions only.
python_fits() {
  "$1" -c '
import os, sys, sysconfig
import ensurepip, venv
ok = (3, 10) <= sys.version_info[:2] <= (3, 13)
header = os.path.join(sysconfig.get_path("include"), "Python.h")
sys.exit(0 if ok and os.path.exists(header) else 1)' >/dev/null 2>&1
}

# Prints the first Python that fits; fails when there is none.
find_python() {
  local candidate
  for candidate in "${FACE_ATTRIBUTES_BASE_PYTHON:-python3}" python3.12 python3.11 python3.10 python3.13 /usr/bin/python3; do
    if have "$candidate" && python_fits "$candidate"; then
      # Not a virtual environment's: that one may be what is about to be replaced.
      "$candidate" -c 'import sys; print(sys._base_executable)'
      return
    fi
  done
  return 1
}

explain_python() {
  printf '%s\n' \
    'no usable Python found: the ROS wheels need CPython 3.10 to 3.13 with venv and headers (Python.h).' \
    'Install one (Debian, Ubuntu: apt-get install python3 python3-venv python3-dev) or name it:' \
    '  FACE_ATTRIBUTES_BASE_PYTHON=/path/to/python3.12 scripts/setup'
}
