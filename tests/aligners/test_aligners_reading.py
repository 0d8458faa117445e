"""Known lyrics as people have them: what is sung, how often, and that nothing they wrote is lost."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.aligners.reading import from_transcript, known_lyrics, read_known, read_text
from lyricsep.aligners.words import KnownLine, KnownLyrics
from lyricsep.errors import DatasetError
from lyricsep.formats import Transcript
from lyricsep.lyrics import NOT_SUNG, Line


def shown(known: KnownLyrics) -> list[str]:
    """Each line with the section that it opens before it: "header/note > line"."""
    return [
        line.text if line.section is None else " > ".join([line.section.replace("\n", "/"), line.text])
        for line in known.lines
    ]


def rows(text: str) -> str:
    return text.replace("/", "\n")


# "/" stands for a line break; see `shown` for what is expected.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" / \t / ", []),
        ("la", ["la"]),
        ("//la//", ["la"]),
        (" la   la\t la /lo", ["la la la", "lo"]),
        ("la/ //  /lo", ["la", " > lo"]),
        ("la\r\n\r\nlo\rli", ["la", " > lo", "li"]),
        ("\ufeffla/\u200b/lo", ["la", " > lo"]),
        ("la/---/lo/♪♪/li", ["la", "--- > lo", "♪♪ > li"]),
        ("[Chorus]/la/[Verse 1: Artist & Other]/lo", ["[Chorus] > la", "[Verse 1: Artist & Other] > lo"]),
        ("la//[Chorus]//lo", ["la", "[Chorus] > lo"]),
        ("[Intro]/[Verse]/la", ["[Intro]/[Verse] > la"]),
        ("[Verse 1: A &/B]/la/[oh/yeah]", ["[Verse 1: A & B] > la", "[oh", "yeah]"]),
        ("【サビ】/la", ["【サビ】 > la"]),
        ("[oh] la [oh]/[la", ["[oh] la [oh]", "[la"]),
        ("(la la)/(oh) la (oh)", ["(la la)", "(oh) la (oh)"]),
    ],
)
def test_lines_and_sections(text: str, expected: list[str]) -> None:
    assert shown(known_lyrics(rows(text))) == expected


@pytest.mark.parametrize(
    "header",
    [
        *("Chorus:", "Refrain :", "Bridge", "(Chorus)", "CHORUS", "verse 2", "Verse II", "Verse 1:", "2nd Verse"),
        *("Pre-Chorus", "Post Chorus", "(Guitar Solo)", "Instrumental", "Intro", "OUTRO:", "Final Chorus", "Hook"),
        *("Couplet 1", "1er couplet", "Pré-refrain", "Pont", "Strophe 2:", "2. Strophe", "Zwischenspiel", "Kehrvers"),
        *(
            "Estribillo",
            "Coro:",
            "Verso 1",
            "Puente",
            "Pre-coro",
            "Strofa 1",
            "Ritornello",
            "Ponte",
            "Refrão",
            "Estrofe",
        ),
        *("Solo:", "Part 2", "Teil 1", "(Part II)", "[Solo]", "[anything at all]", "[Verse 1 (Artist)]", "Chorus："),
        *("-- Bridge --", "*Chorus*", "## Verse 2", "**Refrain**"),
    ],
)
def test_headers(header: str) -> None:
    assert shown(known_lyrics(f"{header}\nla la\nlo")) == [f"{header} > la la", "lo"]


@pytest.mark.parametrize(
    "line",
    [
        *("Solo", "(solo)", "Break", "Drop", "Part", "Chorus of angels", "Verse after verse", "Chorus, chorus"),
        *("Bridge over water", "Chorus: we sing along", "(Chorus and verse)", "[oh", "Mix", "Bis", "I", "Fünf"),
    ],
)
def test_lines_that_look_like_headers(line: str) -> None:
    assert shown(known_lyrics(f"la\n{line}\nlo")) == ["la", line, "lo"]


@pytest.mark.parametrize(
    "note",
    [
        *(
            "Lyrics by: A",
            "Written by: A & B",
            "Paroles : A",
            "Paroles et musique : A",
            "Music & Lyrics: A",
            "Text: A",
        ),
        *(
            "Letra y música: A",
            "Songwriters: A / B",
            "Writer(s): A",
            "作词 : 甲",
            "作曲：乙",
            "Album: A",
            "Year: 1999",
        ),
        *("© 1999 A", "℗ A Records", "Lyrics © A", "(c) 1999 A", "(P) 2001 A", "Copyright 1999 A"),
        *("All rights reserved.", "https://example.com/song", "from www.example.com", "You might also like"),
        *(
            "12 ContributorsLa La Lyrics",
            "1 Contributor",
            "See A LiveGet tickets as low as $50",
            "Title: A",
            "Artist: A",
        ),
    ],
)
def test_notes_are_kept_and_not_sung(note: str) -> None:
    assert shown(known_lyrics(f"{note}\n\n[Verse]\nla\n{note}\nlo")) == [f"{note}/[Verse] > la", f"{note} > lo"]
    known = known_lyrics(f"la\n\n{note}\n[Outro]\n")
    assert (shown(known), known.closing) == (["la"], f"{note}\n[Outro]")


@pytest.mark.parametrize(
    "credit", ["Lyrics by Ann B", "Songtext von Ann", "Paroles de Ann", "Written by 甲", "Music by A"]
)
def test_credits_without_a_colon_stand_at_the_ends(credit: str) -> None:
    assert shown(known_lyrics(f"{credit}\nla")) == [f"{credit} > la"]
    assert known_lyrics(f"la\n\n{credit}\n{credit}").closing == f"{credit}\n{credit}"
    assert shown(known_lyrics(f"la\n{credit}")) == ["la", credit]
    assert shown(known_lyrics(f"la\n\n{credit}\nlo")) == ["la", f" > {credit}", "lo"]


@pytest.mark.parametrize(
    "line",
    [
        *("Written by the moon", "Music by the river", "Words don't come easy", "The title: unknown", "Embed me"),
        *("You might also like me", "12 contributors and a song", "Copyright my heart", "by the way", "C 1999"),
        *("Lyrics by", "music", "All rights reserved for me"),
    ],
)
def test_lines_that_look_like_notes(line: str) -> None:
    assert shown(known_lyrics(f"{line}\nla")) == [line, "la"]


@pytest.mark.parametrize(
    ("text", "expected", "closing"),
    [
        ("3 ContributorsLa Lyrics[Verse]/lo/hey5Embed", ["3 ContributorsLa Lyrics/[Verse] > lo", "hey"], "5Embed"),
        ("3 ContributorsLa LyricsOh la/lo/Embed", ["3 ContributorsLa Lyrics > Oh la", "lo"], "Embed"),
        ("laYou might also like[Chorus]/lo/", ["la", "You might also like/[Chorus] > lo"], ""),
        ("la 19 Embed", ["la 19 Embed"], ""),
        ("laEmbed/lo", ["laEmbed", "lo"], ""),
    ],
)
def test_what_a_website_joins_to_lines(text: str, expected: list[str], closing: str) -> None:
    known = known_lyrics(rows(text))
    assert (shown(known), known.closing) == (expected, closing)


@pytest.mark.parametrize(
    ("text", "title", "names", "n_lines"),
    [
        ("Title: La\nArtist: Ann\nlo", None, ("La", "Ann"), 1),
        ("Titre : La\n\nInterpret: Ann\nlo", None, ("La", "Ann"), 1),
        ("La La!\n\nlo", "la la", ("La La!", None), 1),
        ("“La La” Lyrics\n[Verse]\nlo", "La La", ("La La", None), 1),
        ("La La\nlo", "La La", (None, None), 2),
        ("La La", "La La", (None, None), 1),
        ("La La\n\nlo", None, (None, None), 2),
        ("La La\n\nlo", "Ann - La La", ("La La", None), 1),
        ("Ann - La La\nlo", "Ann - La La", ("La La", "Ann"), 1),
        ("Ann - La La\nlo", "La La", (None, None), 2),
        ("Ann – La La\n\nlo", "La La", ("La La", "Ann"), 1),
        ("La La - Ann\n\nlo", "La La", ("La La", "Ann"), 1),
        ("La La by Ann\n\nlo", "La La", ("La La", "Ann"), 1),
        ("Ann - La La\n\nlo", None, ("La La", "Ann"), 1),
        ("Ann - La La\nArtist: Bob\nlo", None, ("La La", "Ann"), 1),
        ("Ann - La La\n\nlo\nAnn - La La", None, (None, None), 3),
        ("Oh - oh\n\nlo", None, (None, None), 2),
        ("Oh - Oh\n\nlo", None, (None, None), 2),
        ("Hey - You!\n\nlo", None, (None, None), 2),
        ("One - Two - Three\n\nlo", None, (None, None), 2),
        ("Stand by Me\n\nlo", None, (None, None), 2),
        ("lo\n\nLa La\n\nlo", "La La", (None, None), 3),
    ],
)
def test_title_and_artist(text: str, title: str | None, names: tuple[str | None, str | None], n_lines: int) -> None:
    known = known_lyrics(text, title=title)
    assert ((known.title, known.artist), len(known.lines)) == (names, n_lines)
    first = text.split("\n")[0]
    assert first in (known.lines[0].text, (known.lines[0].section or "").split("\n")[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (f"la{marker}/lo", ["la"] * 2 + ["lo"])
            for marker in (" (x2)", " x2", "(2x)", " [x2]", " ×2", " (bis)", "(2×)")
        ),
        ("la (X3)", ["la"] * 3),
        ("la （x2）", ["la"] * 2),
        ("la (x 20)", ["la"] * 20),
        ("// la (x2)//lo", ["la", "la", " > lo"]),
        *((f"la/{marker}", ["la", " > la"]) for marker in ("(x2)", "x2", "[x2]", "2x", "×2", "(bis)", "[bis]")),
        ("la/lo/(x3)/li", ["la", "lo", "li", " > la", "lo", "li", " > la", "lo", "li"]),
        ("la//lo (x2)/x2", ["la", " > lo", "lo", " > lo", "lo"]),
        ("[A]/la/[B]/lo/x2//li", ["[A] > la", "[B] > lo", " > lo", " > li"]),
        ("la//lo//(x2)//li", ["la", " > lo", " > lo", " > li"]),
        ("la//(x2)/lo/li", ["la", " > lo", "li", " > lo", "li"]),
        *(
            (f"{header}/la/lo", [f"{plain} > la", "lo", " > la", "lo"])
            for header, plain in [
                ("[Chorus x2]", "[Chorus]"),
                ("[Chorus] (x2)", "[Chorus]"),
                ("[Chorus: x2]", "[Chorus:]"),
                ("[Chorus (2x)]", "[Chorus]"),
                ("[Chorus] x2", "[Chorus]"),
                ("[Chorus]/(x2)", "[Chorus]"),
                ("Chorus x2", "Chorus"),
                ("Chorus x2:", "Chorus:"),
                ("Chorus: (x2)", "Chorus:"),
                ("(Chorus ×2)", "(Chorus)"),
                ("Refrain (bis)", "Refrain"),
                ("Refrain bis", "Refrain"),
                ("[anything x2]", "[anything]"),
                ("Text: A/[Verse 1] x2", "Text: A/[Verse 1]"),
            ]
        ),
        # Not repeats.
        *(
            (f"{line}/lo", [line, "lo"])
            for line in ("la (x1)", "la x21", "la (x99999999999)", "la max2", "by 2x", "x1")
        ),
        *((f"{line}/lo", [line, "lo"]) for line in ("bis", "la bis", "4x4", "iPhone 2x", "(x0)", "x2 la", "x²")),
        ("[Chorus x1]/la", ["[Chorus x1] > la"]),
        ("(x2)", []),
    ],
)
def test_repeats(text: str, expected: list[str]) -> None:
    assert shown(known_lyrics(rows(text))) == expected


SONG = "[Chorus]/la/lo//[Verse]/li//[Chorus x2]//[Bridge]/hey//Repeat Chorus/[Solo]"


def test_a_header_alone_is_kept() -> None:
    known = known_lyrics(rows(SONG))
    assert shown(known) == ["[Chorus] > la", "lo", "[Verse] > li", "[Chorus x2]/[Bridge] > hey"]
    assert known.closing == "Repeat Chorus\n[Solo]"


def test_a_header_alone_may_stand_for_its_lines() -> None:
    known = known_lyrics(rows(SONG), fill_repeats=True)
    assert shown(known) == [
        *("[Chorus] > la", "lo", "[Verse] > li", "[Chorus] > la", "lo", " > la", "lo"),
        *("[Bridge] > hey", "Repeat Chorus > la", "lo"),
    ]
    assert known.closing == "[Solo]"


ROWS = ["la", "lo (x3)", "", "x2", "[A]", "[A x2]", "Chorus", "Lyrics by A", "Title: T", "© A", "---", "A - B", "T"]


@given(st.lists(st.sampled_from(ROWS) | st.text(max_size=8)), st.booleans())
def test_everything_written_is_kept(written: list[str], fill_repeats: bool) -> None:
    known = known_lyrics("\n".join(written), title="T", fill_repeats=fill_repeats)
    assert all(line.text == " ".join(line.text.split()) != "" for line in known.lines)
    kept = "".join([*(f"{line.section or ''}{line.text}" for line in known.lines), known.closing])
    words = re.sub(r"[x×]\s*\d+|\d+\s*[x×]|bis", " ", " ".join(written)).split()
    assert [word for word in words if word.isalpha() and word not in kept] == []


@given(st.lists(st.sampled_from([row for row in ROWS if row not in ("", "A - B", "T", "Lyrics by A")])))
def test_what_was_read_is_read_again_as_it_is(written: list[str]) -> None:
    known = known_lyrics("\n".join(written))
    text = "".join(("" if line.section is None else f"\n{line.section}\n") + f"{line.text}\n" for line in known.lines)
    again = known_lyrics(text)
    assert [line.text for line in again.lines] == [line.text for line in known.lines]
    assert [line.section for line in again.lines[1:]] == [line.section for line in known.lines[1:]]


LRC = "[ti:La]\n[ar:Ann]\n[00:01.00]la la\n[00:02.00]lo\n[00:03.00]\n[00:05.00]li\n[00:06.50]"
SRT = "1\n00:00:01,000 --> 00:00:02,000\nla la\n\n2\n00:00:02,000 --> 00:00:03,000\nlo\n"
LINES = (KnownLine("la la", None, 1.0, 2.0), KnownLine("lo", None, 2.0, 3.0))


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.lrc", LRC, KnownLyrics((*LINES, KnownLine("li", "", 5.0, 6.5)), "La", "Ann")),
        ("a.txt", LRC.replace("\n", "\r\n"), KnownLyrics((*LINES, KnownLine("li", "", 5.0, 6.5)), "La", "Ann")),
        ("a.srt", SRT, KnownLyrics(LINES)),
        ("a.TXT", f"\n{SRT}", KnownLyrics(LINES)),
        ("a.vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\nla la\nlo\n", None),
        ("a.txt", "WEBVTT\n\n00:01.000 --> 00:02.000\nla la\n\n00:02.000 --> 00:03.000\nlo", KnownLyrics(LINES)),
        ("a.labels.txt", "1.0\t2.0\tla la\n2.0\t3.0\tlo\n", KnownLyrics(LINES)),
        ("a.tsv", "start\tend\ttext\n1.0\t2.0\tla la\n2.0\t3.0\tlo\n", KnownLyrics(LINES)),
        (
            "a.lrc",
            "[00:00.00]作词 : 甲\n[00:01.00][Verse]\n[00:02.00]la  (x2)\n[00:03.00]© A",
            KnownLyrics((KnownLine("la (x2)", "作词 : 甲\n[Verse]", 2.0, 3.0),), closing="© A"),
        ),
        ("La.txt", "La\n\n[Verse]\nlo", KnownLyrics((KnownLine("lo", "La\n[Verse]"),), "La")),
        ("a.txt", "[Chorus: A]\nla", KnownLyrics((KnownLine("la", "[Chorus: A]"),))),
    ],
)
def test_files(tmp_path: Path, name: str, text: str, expected: KnownLyrics | None) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    known = read_known(path)
    if expected is None:
        assert known.is_timed
        assert [line.text for line in known.lines] == ["la la", "lo"]
    else:
        assert known == expected


def test_transcripts_without_times() -> None:
    transcript = Transcript("La\n\n[A]\nla\n\n[A]\n", title="La", artist="Ann", language="fr")
    expected = KnownLyrics((KnownLine("la", "La\n[A]"),), "La", "Ann", "fr", "[A]")
    assert from_transcript(transcript) == expected
    assert shown(from_transcript(transcript, fill_repeats=True)) == ["La/[A] > la", "[A] > la"]
    assert from_transcript(Transcript("")) == KnownLyrics()


def test_fill_repeats_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("[A]\nla\n\n[A]\n")
    assert shown(read_known(path)) == ["[A] > la"]
    assert shown(read_known(path, fill_repeats=True)) == ["[A] > la", "[A] > la"]


FRENCH = "Même si tu n'es plus là, je garde ton sourire\nOù que tu sois, l'été revient\n"
RUSSIAN = "Я помню чудное мгновенье\nПередо мной явилась ты\n"
JAPANESE = "君が代は千代に八千代に\nさざれ石の\n"


@pytest.mark.parametrize("text", [FRENCH, RUSSIAN, JAPANESE])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_unicode(tmp_path: Path, text: str, encoding: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    assert [line.text for line in read_known(path).lines] == text.splitlines()
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (FRENCH, "cp1252"),
        ("Don’t stop\nbelievin’ über\n", "cp1252"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "cp932"),
        ("月亮代表我的心\n你问我爱你有多深\n", "gb18030"),
        ("사랑해 당신을\n정말로 사랑해\n", "cp949"),
    ],
)
def test_other_encodings_are_guessed(
    tmp_path: Path, text: str, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    with caplog.at_level(logging.WARNING):
        assert [line.text for line in read_known(path).lines] == text.splitlines()
    assert [message.split("; ")[1].split(".")[0] for message in caplog.messages] == [f"read as {encoding}"]


def test_broken_text_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\x81\x8d\xff la")
    assert read_known(path).lines


@pytest.mark.parametrize(
    ("data", "message"), [(b"\xff\xfea", "expected UTF-16, got truncated data"), (b"a\0\0b", "got a null character")]
)
def test_no_encoding_is_guessed_for_broken_utf_16(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=message):
        read_known(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"a\.txt: has no lyrics; write the words of the song into it"),
        ("a.txt", "[Instrumental]\n\n♪\n© A", "has no lyrics"),
        ("a.lrc", "[ti:La]\n[00:01.00]", "has no lyrics"),
        ("a.srt", "", "has no lyrics"),
        ("a.docx", "la", "expected a suffix among"),
        ("b.txt", None, "cannot be read .*; check the path"),
    ],
)
def test_errors(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(DatasetError, match=message):
        read_known(path)


def test_lines_in_another_order_than_their_text() -> None:
    """TTML holds its text as it is written, and its lines by time."""
    lines = (Line(1, 2, "first line"), Line(10, 11, "[Chorus]"), Line(12, 13, "la di da"))
    known = from_transcript(Transcript("[Chorus]\nla di da\n\nfirst line\n", lines))
    assert [(line.text, line.start, line.section) for line in known.lines] == [
        ("first line", 1, None),
        ("la di da", 12, "[Chorus]"),
    ]


def test_sections_and_unsung_lines_of_aligned_lyrics_are_kept() -> None:
    lines = (
        Line(1, 2, "one", section="[Verse]"),
        Line(2, 2, "two", (), (NOT_SUNG,)),
        Line(3, 4, "three", section=""),
    )
    known = from_transcript(Transcript("one\ntwo\n\nthree\n", lines, language="en"))
    assert [(line.section, line.start) for line in known.lines] == [("[Verse]", 1), (None, None), ("", 3)]
    assert known.language == "en"
    assert from_transcript(Transcript("one\n", lines[:1], language="klingon")).language is None


def test_text_is_read_as_a_file_is() -> None:
    assert read_text("[00:12.00]la\n[00:13.00]lo", "x").lines[1].start == 13
    with pytest.raises(DatasetError, match=r"^the lyrics: has no lyrics"):
        read_text("\n", "the lyrics")


def test_repeats_of_real_songs_that_are_written_once(shared: Path) -> None:
    n_songs = 0
    for path in sorted((shared / "jamendolyrics" / "lyrics").glob("*.txt")):
        sections = path.read_text(encoding="utf-8").strip().split("\n\n")
        if path.name.endswith(".words.txt") or len(sections) == len(set(sections)):
            continue
        names = {section: f"[Chorus {number}]" for number, section in enumerate(sections)}  # the last one's
        once = [
            f"{names[section]}\n{section}" if section not in sections[:index] else names[section]
            for index, section in enumerate(sections)
        ]
        text = read_text("\n\n".join(once), path.name, fill_repeats=True)
        assert [word.text for word in text.words] == path.read_text(encoding="utf-8").split()
        n_songs += 1
    assert n_songs == 3
