# Sourced by demo.sh and test.sh: makes .venv with lyricsep and the versions that were tested together.
# usage: extras=NAMES; . scripts/setup.sh
set -eu
cd "$(dirname "$0")/.."
if [ ! -x .venv/bin/python ]; then
    "${PYTHON:-python3}" -c 'import sys; sys.exit("lyricsep needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
    "${PYTHON:-python3}" -m venv .venv
fi
# Installing again what is installed costs seconds, so it is done only when something changed.
wanted="$extras $(cat pyproject.toml constraints.txt lyricsep/version.py | cksum)"
if [ "$(cat ".venv/installed-$extras" 2>/dev/null || true)" != "$wanted" ]; then
    echo "Installing lyricsep[$extras] into .venv ..." >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$extras]"
    echo "$wanted" > ".venv/installed-$extras"
fi
