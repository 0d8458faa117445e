#!/bin/sh
# From a machine with only Python and pip to a tested checkout.
#   sh scripts/test.sh           lint, types and the quick tests
#   sh scripts/test.sh --slow    the same with all tests, as CI runs them
#   sh scripts/test.sh ...       pytest with these options
extras=embedded,ctranslate2,ctc,benchmark,tags,remote,quality,msst,uvr,ray,example,dev
. "$(dirname "$0")/setup.sh"
if [ $# -eq 0 ] || [ "$*" = --slow ]; then
    .venv/bin/ruff check .
    .venv/bin/ruff format --check .
    .venv/bin/mypy
    set -- -n 2 --dist loadfile "$@"  # two processes; what a file sets up is set up once
fi
exec .venv/bin/python -m pytest "$@"
