"""Errors carry a hint, which Python and the command line each show in their own words."""

from __future__ import annotations

import pickle

import pytest

from lyricsep.cli.console import in_flags
from lyricsep.errors import LyricsepError, OutputError


@pytest.mark.parametrize(
    ("hint", "in_python", "in_shell"),
    [
        ("set {overwrite=True} to replace it", "set overwrite=True to replace it", "set --overwrite to replace it"),
        ("use {device=cpu}", "use device='cpu'", "use --device cpu"),
        ("lower {beam_size}", "lower beam_size", "lower --beam-size"),
        ("use {beam_size=1}", "use beam_size=1", "use --beam-size 1"),
        ("use {word_times=False}", "use word_times=False", "use --no-word-times"),
    ],
)
def test_a_hint_names_the_argument_in_python_and_the_flag_in_the_shell(hint, in_python, in_shell):
    error = OutputError("a {b} c.lrc: exists already", hint=hint)
    assert str(error) == f"a {{b}} c.lrc: exists already; {in_python}"
    assert in_flags(error) == f"a {{b}} c.lrc: exists already; {in_shell}"


def test_an_error_without_a_hint_is_its_message():
    assert str(LyricsepError("no")) == in_flags(LyricsepError("no")) == "no"


def test_an_error_keeps_its_hint_between_processes():
    error = pickle.loads(pickle.dumps(OutputError("full", hint="free {output}")))
    assert (type(error), error.hint, str(error)) == (OutputError, "free {output}", "full; free output")
