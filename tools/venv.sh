#!/usr/bin/env bash
# Makes .venv and installs a requirements file into it; says what it does and what went wrong.
set -euo pipefail
requirements=$1

fail() { echo; echo "Cannot set up: $*" >&2; exit 1; }

[ -w . ] || fail "this folder ($PWD) is not writable. Copy the project to a folder of yours."

find_python() {
  for name in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$name" ] || continue
    command -v "$name" >/dev/null 2>&1 || continue
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$name"; return; }
  done
}

if [ -d .venv ] && ! .venv/bin/python -c 'import sys, pip' >/dev/null 2>&1; then
  echo "The virtual environment in .venv is broken (its Python is gone?): making it anew."
  rm -rf .venv
fi
if [ ! -d .venv ]; then
  python=$(find_python)
  [ -n "$python" ] || fail "Python 3.11 or newer is needed and was not found (set PYTHON=/path/to/python)."
  echo "Making a virtual environment in .venv with $($python --version) ..."
  "$python" -m venv .venv 2>/tmp/mcal-venv-error || {
    rm -rf .venv
    if "$python" -c 'import ensurepip' 2>/dev/null; then fail "$(cat /tmp/mcal-venv-error)"; fi
    fail "this Python lacks the venv module. On Debian or Ubuntu: apt-get install python3-venv"
  }
fi
echo "Installing $requirements into .venv (the first time takes a minute or two) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" 2>&1 \
  | { grep -v "^WARNING: Location" || true; }
[ "${PIPESTATUS[0]}" -eq 0 ] || fail "pip could not install $requirements (see above). Is there a network?"
.venv/bin/python -m pip check >/dev/null 2>&1 || true
echo "Installed."
