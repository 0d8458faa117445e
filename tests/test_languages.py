"""One table of spellings, read alike wherever a language is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

from lyricsep.datasets import open_dataset
from lyricsep.datasets.tables import DatasetRecord
from lyricsep.errors import ConfigError, DatasetError
from lyricsep.formats import Transcript, read_lyrics
from lyricsep.formats.tags import write_tagged
from lyricsep.languages import (
    WHISPER_LANGUAGES,
    folder_language,
    from_whisper,
    iso_639_2b,
    known_language,
    language_code,
    language_name,
    to_whisper,
)
from lyricsep.scoring import find_references
from lyricsep.scoring.tokens import score_language, tokenize

SPELLINGS = {
    "fr": "fr",
    "FR": "fr",
    "fr-CA": "fr",
    "fr_CA": "fr",
    "pt-br": "pt",
    "french": "fr",
    "French": "fr",
    "FRENCH": "fr",
    "Brazilian Portuguese": "pt",
    "Norwegian": "no",
    "Greek": "el",
    "Malay": "ms",
    "Nepali": "ne",
    "Swahili": "sw",
    "Occitan": "oc",
    "haw": "haw",
    "Hawaiian": "haw",
    "yue": "yue",
    "cantonese": "yue",
    "zh-yue": "yue",
    "Mandarin": "zh",
    "zh-Hans": "zh",
    "zh_Hant_TW": "zh",
    "jv": "jv",
    "jw": "jv",
    "Javanese": "jv",
}
# Read as languages everywhere but in the names of folders, where they are more often something else.
ELSEWHERE = {
    " fr ": "fr",
    "\tFrench\n": "fr",
    "fra": "fr",
    "fre": "fr",
    "ger": "de",
    "deu": "de",
    "cmn": "zh",
    "arb": "ar",
    "iw": "he",
    "mol": "ro",
    "Modern Greek (1453-)": "el",
    "Chinese (Simplified)": "zh",
    "Latin": "la",
    "de-1996": "de",
    "nb": "nb",
    "Norwegian Bokma\u030al": "nb",
    "Filipino": "fil",
    "Zulu": "zu",
    "Klingon": "tlh",
}
# Of every kind one, where another place reads them as `language_code` does.
TELLING = pytest.mark.parametrize(
    ("name", "code"), [("fr-CA", "fr"), ("jw", "jv"), ("\tFrench\n", "fr"), ("cmn", "zh"), ("Filipino", "fil")]
)
UNKNOWN = pytest.mark.parametrize(
    "name", ["", " ", "xx", "und", "mul", "elvish", "fr-", "fr-CA-", "zh-fra", "日本語"]
)


@pytest.mark.parametrize(("name", "code"), [*SPELLINGS.items(), *ELSEWHERE.items()])
def test_a_spelling_is_read(name: str, code: str) -> None:
    assert (language_code(name), known_language(name)) == (code, code)
    assert language_code(language_name(code)) == language_code(iso_639_2b(name)) == code


@UNKNOWN
def test_what_is_no_language(name: str) -> None:
    assert known_language(name) is None
    assert folder_language(name) is None
    for read in (language_code, language_name, iso_639_2b, to_whisper):
        with pytest.raises(ConfigError, match=f"no language is called {name!r}; ") as caught:
            read(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Frenhc", "did you mean French? Set language='fr'"),
        ("cantonse", "did you mean Cantonese? Set language='yue'"),
        ("xx", "use an ISO 639 code or an English name, such as language='fr' or language='French'"),
    ],
)
def test_the_nearest_name_is_suggested(name: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        language_code(name)
    assert str(caught.value) == f"no language is called {name!r}; {hint}"


def test_a_long_name_is_cut_short() -> None:
    with pytest.raises(ConfigError, match=r"no language is called 'x{40}…'; use"):
        language_code("x" * 10_000)


def test_every_language_of_whisper_has_its_place_and_comes_back() -> None:
    assert [from_whisper(code) for code in LANGUAGES] == list(WHISPER_LANGUAGES)
    for code, name in LANGUAGES.items():
        ours = from_whisper(code)
        assert to_whisper(ours) == to_whisper(code) == to_whisper(name) == code
        assert language_code(ours) == language_code(name) == ours
        assert len(ours) == 2 or ours in {"haw", "yue"}
        assert folder_language(ours) == ours
    for name, code in TO_LANGUAGE_CODE.items():
        assert to_whisper(name) == to_whisper(name.title()) == code


@pytest.mark.parametrize(("name", "code"), [("jv", "jw"), ("nb", "no"), ("Filipino", "tl"), ("cmn", "zh")])
def test_whisper_is_told_its_own_code(name: str, code: str) -> None:
    assert to_whisper(name) == code


def test_a_language_that_whisper_does_not_know() -> None:
    with pytest.raises(ConfigError, match=r"Whisper does not know Zulu \(zu\); leave language out"):
        to_whisper("ZUL")


def test_every_code_of_iso_639_is_kept() -> None:
    from iso639 import ALL_LANGUAGES

    for language in ALL_LANGUAGES:
        if language.status == "A" and language.scope != "S":
            code = language_code(language.part3)
            assert code == language_code(code)
            assert code == language.part1 or language.part1 is None
            assert language_name(code)


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from lyricsep.languages import language_code; language_code('fr'); "
        "print([name for name in ('iso639', 'torch', 'whisper', 'numpy') if name in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert told.stdout == "[]\n"


# Wherever a language is named


@TELLING
def test_a_row_of_a_dataset(tmp_path: Path, name: str, code: str) -> None:
    assert DatasetRecord({"Language": name}, tmp_path).language("Language") == code


@UNKNOWN
def test_a_row_with_an_unknown_language(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match="field 'Language': expected a language such as French or fr"):
        DatasetRecord({"Language": name}, tmp_path).language("Language")


def write_song(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "a.mp3").touch()
    (folder / "a.txt").write_text("la", encoding="utf-8")
    return folder


@pytest.mark.parametrize(("name", "code"), SPELLINGS.items())
def test_the_name_of_a_folder(tmp_path: Path, name: str, code: str) -> None:
    write_song(tmp_path / name)
    assert [song.language for song in open_dataset(tmp_path).songs] == [code]


@pytest.mark.parametrize(
    "name",
    [
        "ben",
        "dan",
        "Ben",
        "It",
        "No",
        "Latin",
        "LA",
        "fra",
        "zu",
        "Klingon",
        "no-doubt",
        "my-love",
        "a",
        "CD 2",
        "en_",
    ],
)
def test_a_folder_that_is_named_for_another_reason(tmp_path: Path, name: str) -> None:
    write_song(tmp_path / "fr" / name)
    write_song(tmp_path / name)
    assert [song.language for song in open_dataset(tmp_path, language="German").songs] == (
        ["de", "fr"] if name[0] < "f" else ["fr", "de"]
    )


@TELLING
def test_the_language_of_a_plain_dataset_and_its_filter(tmp_path: Path, name: str, code: str) -> None:
    write_song(tmp_path / "songs")
    opened = open_dataset(tmp_path / "songs", language=name)
    assert [song.language for song in opened.songs] == [code]
    assert opened.select(languages=[name]) == opened


@TELLING
def test_the_language_of_a_score(tmp_path: Path, name: str, code: str) -> None:
    file = tmp_path / "a.txt"
    file.write_text("l'été, c'est geht's", encoding="utf-8")
    assert [song.language for song in find_references(str(file), name)] == [code]
    assert score_language(name) == (code if len(code) == 2 else "en")
    assert tokenize("l'été, c'est geht's", name) == tokenize("l'été, c'est geht's", code)


@TELLING
def test_the_language_of_a_tag(name: str, code: str, song: Path, tmp_path: Path) -> None:
    mutagen = pytest.importorskip("mutagen")
    for number, (known, asked) in enumerate([(name, None), ("de", name)]):
        copy = tmp_path / f"{number}.wav"
        write_tagged(song, copy, Transcript("la\n", language=known), language=asked)
        (frame,) = mutagen.File(copy).tags.getall("USLT")
        assert language_code(frame.lang) == code


def test_a_tag_is_asked_for_in_an_unknown_language(song: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no language is called 'elvish'"):
        write_tagged(song, tmp_path / "copy.wav", Transcript("la\n", language="fr"), language="elvish")
    assert not (tmp_path / "copy.wav").exists()


@TELLING
def test_the_language_of_a_file(tmp_path: Path, name: str, code: str) -> None:
    file = tmp_path / "a.ttml"
    spelling = name.replace("\t", "&#9;").replace("\n", "&#10;")
    file.write_text(f'<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="{spelling}"><body/></tt>', encoding="utf-8")
    assert read_lyrics(file).language == code


@pytest.fixture
def song(tmp_path: Path) -> Path:
    import numpy as np
    import soundfile

    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(800), 8000)
    return path
