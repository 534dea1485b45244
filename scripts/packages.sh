#!/usr/bin/env bash
# Installs the packages of a lock file with uv: packages.sh LOCK [uv options]. TORCH=cpu takes PyTorch's small build,
# which only PyTorch's own package index has.
set -euo pipefail
lock=$1
shift
# Where PYTHONDONTWRITEBYTECODE is set, and in an image, whose user may not write there, every start would compile all
# that it imports: seconds of CPU, for commands and processes alike.
export UV_COMPILE_BYTECODE=1
if [ "${TORCH:-}" = cpu ]; then
  echo "setup: installing Python packages, about 1.5 GB on disk (torch's CPU build, from PyTorch's own index)"
  grep -vE '^(nvidia-|cuda-|triton)' "$lock" | uv pip install -q "$@" --torch-backend=cpu -r -
else
  echo "setup: installing Python packages, 5.7 GB on disk, nearly all of it torch's CUDA build"
  echo "setup: (make setup TORCH=cpu takes the small CPU build instead, where PyTorch's own index can be reached)"
  uv pip install -q "$@" -r "$lock"
fi
