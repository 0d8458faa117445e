"""What stands on a terminal in the end: every line whole, and no status line left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import QUICKEST, finish

from lyricsep.tables import text_width

pty = pytest.importorskip("pty", reason="a terminal needs a Unix")

COLUMNS = 60
WIDE = "とても長い名前の歌・星の降る夜に君と二人で歩いた道の上で聞こえたメロディー.wav"


class Terminal:
    """A terminal that knows the end of a line, the carriage return and the newline.

    Parameters
    ----------
    columns : int
        After which a line breaks.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self.rows: list[list[str]] = [[]]
        self.breaks: set[int] = set()  # rows that go on in the next
        self.column = 0

    def feed(self, text: str) -> Terminal:
        for character in text:
            if character == "\n":
                self._new_row()
            elif character == "\r":
                self.column = 0
            else:
                self._put(character)
        return self

    def _new_row(self) -> None:
        self.rows.append([])

    def _put(self, character: str) -> None:
        assert character.isprintable(), f"not a plain terminal's: {character!r}"
        width = text_width(character)
        if self.column + width > self.columns:
            self.breaks.add(len(self.rows) - 1)
            self._new_row()
            self.column = 0
        row = self.rows[-1]
        row += [" "] * (self.column + width - len(row))
        row[self.column : self.column + width] = [character, *[""] * (width - 1)]
        self.column += width

    @property
    def lines(self) -> list[str]:
        """What can be read, without blank lines at the end."""
        text = ""
        for number, row in enumerate(self.rows):
            text += "".join(row) if number in self.breaks else "".join(row).rstrip() + "\n"
        return text.rstrip("\n").split("\n")


def test_the_terminal_of_these_tests() -> None:
    assert Terminal(5).feed("ab\rc\r\nabcdefg\r\n").lines == ["cb", "abcdefg"]
    assert Terminal(5).feed("status\rpath\r\n").lines == ["statupath"], "a status that is too long leaves something"
    assert Terminal(4).feed("歌歌歌\r\n").lines == ["歌歌歌"]


def on_terminal(*arguments: str | Path, cwd: Path, stdout: int | None = None, term: str = "xterm") -> tuple[int, str]:
    """Run a command on a terminal, stdout too unless it goes elsewhere; return its exit code and what it wrote."""
    import fcntl
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "lyricsep", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "TERM": term, "LYRICSEP_OFFLINE": "1"},
        stdout=slave if stdout is None else stdout,
        stderr=slave,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 65536):
            seen += chunk
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(master)
    return process.wait(), seen.decode()


@pytest.fixture
def songs(song: Path, tmp_path: Path) -> list[str]:
    shutil.copy(song, tmp_path / "gone astray [1].wav")
    shutil.copy(song, tmp_path / WIDE)
    return ["song.wav", "missing.wav", "gone astray [1].wav", WIDE]


MISSING = "failed: missing.wav: no such file; check the name and the folder"


def test_paths_and_messages_come_out_whole(songs: list[str], tmp_path: Path) -> None:
    code, seen = on_terminal("segment", *songs, "--separator", "none", cwd=tmp_path)
    assert code == 1
    assert "\rworking 0:0" in seen
    first, *lines = Terminal(COLUMNS).feed(seen).lines
    assert first.startswith("preset ")
    assert lines == [
        "segments/song.segments.csv",
        MISSING,
        "segments/gone astray [1].segments.csv",
        f"segments/{WIDE.removesuffix('.wav')}.segments.csv",
        "3 of 4 songs done; 1 failed",
    ]


def test_lyrics_come_out_whole(song: Path, tmp_path: Path) -> None:
    options = ("-f", "lrc", "-o")
    assert finish("transcribe", song, *QUICKEST, *options, "out", cwd=tmp_path).code == 0
    lrc = (tmp_path / "out" / "song.lrc").read_text()
    assert "[00:" in lrc
    code, seen = on_terminal("transcribe", song, *QUICKEST, *options, "-", cwd=tmp_path)
    assert code == 0
    assert " song.wav " in seen
    lines = [line for line in Terminal(COLUMNS).feed(seen).lines[1:] if not line.endswith("lines are doubtful")]
    assert lines == lrc.splitlines()


def test_workers_of_a_batch_make_room_for_their_warnings(songs: list[str], song: Path, tmp_path: Path) -> None:
    sound = bytearray(song.read_bytes())
    (tmp_path / "cut.wav").write_bytes(sound[: len(sound) // 2])
    code, seen = on_terminal("batch", "run", *songs, "cut.wav", *QUICKEST, "-f", "txt", "-o", "out", cwd=tmp_path)
    assert code == 1
    lines = Terminal(COLUMNS).feed(seen).lines
    assert "0 of 5 done" in seen
    starts = ("preset ", "songs: 5", "workers: ", "failed: missing: missing.wav: ", "cut.wav: ", "4 of 5 songs done")
    results = [f"out/{name.removesuffix('.wav')}.txt" for name in (*songs, "cut.wav") if name != "missing.wav"]
    others = [line for line in lines if line not in (*results, "out/songs.csv", "out/songs.parquet")]
    assert set(results) < set(lines)
    assert [line for line in others if not line.startswith(starts)] == []
    assert sum(line.startswith("cut.wav: ") for line in others) == 1


def test_paths_in_a_pipe(songs: list[str], tmp_path: Path) -> None:
    read, write = os.pipe()
    _, seen = on_terminal("segment", *songs, "--separator", "none", cwd=tmp_path, stdout=write)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert len(pipe.read().splitlines()) == 3
    assert Terminal(COLUMNS).feed(seen).lines[1:] == [MISSING, "3 of 4 songs done; 1 failed"]


def test_a_terminal_without_carriage_returns_and_a_pipe_get_a_line_per_song(songs: list[str], tmp_path: Path) -> None:
    code, seen = on_terminal("segment", *songs, "--separator", "none", cwd=tmp_path, term="dumb")
    assert code == 1
    assert "\r" not in seen.replace("\r\n", "")
    piped = finish("segment", *songs, "--separator", "none", "--overwrite", cwd=tmp_path).err
    for text in (seen, piped):
        numbers = [line.split(":")[0] for line in text.splitlines() if line.startswith("[")]
        assert numbers == ["[1/4] song.wav", "[3/4] gone astray [1].wav", f"[4/4] {WIDE}"]
    assert "\r" not in piped
