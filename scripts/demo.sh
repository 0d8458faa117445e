#!/bin/sh
# Needs only Python and pip: installs into .venv, transcribes the example, scores it.
extras=embedded,ctranslate2
. "$(dirname "$0")/setup.sh"
lyrics=$(mktemp -d)
trap 'rm -rf "$lyrics"' EXIT
.venv/bin/lyricsep transcribe data/example/night_train.mp3 --output "$lyrics" --format txt,lrc -v >&2
echo
cat "$lyrics/night_train.lrc"
echo
.venv/bin/lyricsep score data/example/night_train.txt "$lyrics/night_train.txt" --language en
