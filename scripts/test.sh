#!/bin/sh
# From a machine with only Python and pip to a tested checkout; options go through to pytest.
. "$(dirname "$0")/setup.sh" embedded,faster-whisper,eval,example,dev
if [ $# -eq 0 ]; then
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
fi
exec .venv/bin/python -m pytest "$@"
