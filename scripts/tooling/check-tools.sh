#!/bin/sh
# Say in one line what is missing for a set-up. $1: the Python to be used.
set -u
python=${1:-python3}

if ! command -v "$python" >/dev/null 2>&1; then
  echo "error: Python is not installed, or not on the PATH; 3.11 or later is needed (or: make PYTHON=/path/to/python3)" >&2
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "error: $("$python" --version 2>&1) is too old; 3.11 or later is needed (or: make PYTHON=/path/to/python3)" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  echo "error: this Python can't make virtual environments; install its venv package (Debian: python3-venv)" >&2
  exit 1
fi
if ! command -v terraform >/dev/null 2>&1; then
  echo "error: Terraform is not installed, or not on the PATH; 1.11 or later is needed" >&2
  exit 1
fi
