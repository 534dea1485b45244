#!/usr/bin/env bash
# Creates or updates the virtual environment at $1 from the lock file.
set -euo pipefail
venv=$1
python=${PYTHON:-python3}
# The same version as in the Dockerfile.
uv_version=0.13.9

say() { echo "setup: $*"; }

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  say "Driftline needs Python 3.11 or newer, and $python is $("$python" --version); name one: make setup PYTHON=python3.11"
  exit 1
}
if [ ! -x "$venv/bin/pip" ]; then
  if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
      say "this Python cannot make virtual environments; install its package: apt-get install python3-venv"
      exit 1
    fi
    say "installing the Debian package python3-venv (3 MB) by apt-get"
    apt-get -q update
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv
  fi
  "$python" -m venv "$venv"
fi
[ -x "$venv/bin/uv" ] || "$venv/bin/pip" install -q "uv==$uv_version"
export VIRTUAL_ENV=$PWD/$venv PATH=$PWD/$venv/bin:$PATH
scripts/packages.sh requirements-dev.lock
uv pip install -q --no-deps -e .
