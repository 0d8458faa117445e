"""Scores against the reference implementation and alt-eval; known answers at the edges; then invariants."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from itertools import groupby
from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from peak_memory import PEAK

from lyricsep.errors import ConfigError
from lyricsep.scoring import LONG_RUN, Counts, Edits, Score, pool, rates, score
from lyricsep.scoring.tokens import tokenize
from lyricsep.scoring.words import is_near_miss

pytest.importorskip("alt_eval")
pytest.importorskip("jiwer")


# The reference implementation of arXiv 2506.15514


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shared / "golden" / "scores.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def songs(shared: Path) -> dict[str, dict[str, Any]]:
    rows = (shared / "jam-alt" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    return {row["name"]: row for row in map(json.loads, rows)}


@pytest.fixture(scope="module")
def scored(golden: dict[str, Any], songs: dict[str, dict[str, Any]]) -> list[tuple[dict[str, Any], Score]]:
    return [
        (
            case,
            score(
                songs[case["name"]]["text_tagged"],
                case["hypothesis"],
                case["language"],
                normalise=case["normalised"],
            ),
        )
        for case in golden["cases"]
    ]


OF_COUNTS = ("hits", "substitutions", "deletions", "insertions")
OTHER_NAMES = {"sub_rate": "SR", "del_rate": "DR", "ins_rate": "IR"}
DEFECTS = {"deletions_backing", "deletions_nonlexical"}  # always 0 in the reference implementation


def test_every_golden_metric(scored: list[tuple[dict[str, Any], Score]]) -> None:
    assert len(scored) == 40
    for case, found in scored:
        mine = {**rates(found.counts), "nears": found.counts.near_misses, "total_len": found.counts.words.n_reference}
        mine |= {name: getattr(found.counts.words, name) for name in OF_COUNTS}
        expected = {name: nan if value is None else value for name, value in case["metrics"].items()}
        assert {name: mine[OTHER_NAMES.get(name, name)] for name in expected if name not in DEFECTS} == pytest.approx(
            {name: value for name, value in expected.items() if name not in DEFECTS}, rel=0, abs=1e-9, nan_ok=True
        ), (case["name"], case["condition"], case["normalised"])


def test_every_golden_count(scored: list[tuple[dict[str, Any], Score]]) -> None:
    n_nonlexical = n_backing = n_hallucinated = 0
    for case, found in scored:
        counts = found.counts
        kinds = {"word": counts.words, "nonlexical": counts.nonlexical, "backing": counts.backing}
        mine = {
            kind: dict(zip("HSDI", (getattr(e, name) for name in OF_COUNTS), strict=True))
            for kind, e in kinds.items()
        }
        assert mine == case["counts"], (case["name"], case["condition"])
        hallucinated = (counts.hallucinated_insertions, counts.hallucinated_substitutions)
        assert hallucinated == (case["hallucinated_insertions"], case["hallucinated_substitutions"])
        n_nonlexical += counts.nonlexical.deletions
        n_backing += counts.backing.deletions
        n_hallucinated += sum(hallucinated)
    # Otherwise the cases would show nothing.
    assert min(n_nonlexical, n_backing, n_hallucinated) > 0


def chunks(found: Score) -> list[list[Any]]:
    """Put the edits together again."""
    rows: list[list[Any]] = []
    at_reference = at_hypothesis = 0
    for kind, together in groupby(found.edits, lambda edit: edit.kind):
        edits = list(together)
        row = [kind, at_reference, at_reference, at_hypothesis, at_hypothesis]
        row[2] = at_reference = at_reference + sum(edit.reference is not None for edit in edits)
        row[4] = at_hypothesis = at_hypothesis + sum(edit.hypothesis is not None for edit in edits)
        assert {edit.run for edit in edits} == {len(edits)}
        rows.append(row)
    return rows


KINDS = {"equal": "hit", "substitute": "substitution", "delete": "deletion", "insert": "insertion"}


def test_every_golden_alignment(scored: list[tuple[dict[str, Any], Score]]) -> None:
    for case, found in scored:
        expected = [[KINDS[kind], *numbers] for kind, *numbers in case["alignment"]]
        assert chunks(found) == expected, (case["name"], case["condition"])


# alt-eval


def agree(ours: Counts, theirs: Mapping[str, Any]) -> None:
    mine: dict[str, float] = {**rates(ours), **{name: getattr(ours.words, name) for name in OF_COUNTS}}
    assert {name: mine[name] for name in theirs} == pytest.approx(dict(theirs), rel=0, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("normalise", [False, True])
def test_real_songs_score_as_alt_eval_does(
    golden: dict[str, Any], songs: dict[str, dict[str, Any]], normalise: bool
) -> None:
    from alt_eval import compute_metrics, normalize_lyrics

    def seen(text: str) -> str:
        return str(normalize_lyrics(text)) if normalise else text

    conditions = sorted({case["condition"] for case in golden["cases"]})
    assert len(conditions) == 4
    for condition in conditions:
        cases = [case for case in golden["cases"] if case["condition"] == condition and not case["normalised"]]
        references = [songs[case["name"]]["text"] for case in cases]
        hypotheses = [case["hypothesis"] for case in cases]
        languages = [case["language"] for case in cases]
        assert len(cases) == 5
        each = [
            score(*texts, normalise=normalise).counts for texts in zip(references, hypotheses, languages, strict=True)
        ]
        for counts, reference, hypothesis, language in zip(each, references, hypotheses, languages, strict=True):
            agree(counts, compute_metrics([seen(reference)], [seen(hypothesis)], language))
        theirs = compute_metrics([*map(seen, references)], [*map(seen, hypotheses)], languages)
        agree(pool(each), theirs)


TABLE = [
    ("en", "Don't you go\n(oh, oh)\n\nI'm gonna stay!", "dont You go\nOh oh\nI'm gon' stay\n\n"),
    ("en", "Rock-n-roll, 24/7: $5 & 1,000 miles…", "rock n roll 24 7 five and 1000 miles"),
    ("en", "'Cause it's \"mine\"; o'clock rockin' '90s", "Because its mine oclock rocking 90s"),
    ("de", "Geht's dir gut?\nWie'n Fluß (für's Volk)", "gehts dir gut\nWie ein Fluss für das Volk"),
    ("fr", "L'été, c'est qu'aujourd'hui\n\n« Ça va » ?", "l'ete c'est aujourd'hui\nÇa va?"),
    ("es", "¿Dónde estás, corazón?\n¡Ay, ay!", "donde estas corazon\n(ay) ay ay"),
    ("it", "Dell'amore un po' d'acqua", "dell' amore un poco d'acqua"),
    ("pt", "Não há ninguém, coração-de-mel", "nao a ninguém coração de mel"),
    ("pl", "Źdźbło, żółć i gęś", "zdzblo żółć i geś"),
    ("tr", "İstanbul'da IŞIK ışık", "istanbul'da isik ışık"),
    ("ja", "愛してる、ずっと\nＨｅｌｌｏ（ラララ）２０２４年", "愛してるずっと\nhello ラララ 2024年"),
    ("ja", "さくら(さくら)\n\n東京タワー Baby", "桜さくら\n東京 タワ baby"),
    ("zh", "你好,世界!\n我愛你 3次", "你号世界\n我爱你三次"),
    ("zho", "月亮代表我的心", "月亮 代表 我心"),
    ("ko", "사랑해요, 너를\n(오 오) Baby 1번", "사랑 해요 너를\n오 오 baby 1번"),
    ("ru", "Где ты, моя любовь?\nЁлка-2", "где ты моя любов\nелка 2"),
    ("el", "Σ' αγαπώ, καρδιά μου", "σαγαπω καρδιά μου"),
    ("ar", "حبيبي، أنا هُنا\n(يا ليل)", "حبيبي انا هنا\nيا ليل ليل"),
    ("he", "אני אוהב אותך, שיר", "אני אוהבת אותך"),
    ("hi", "मेरी ज़िन्दगी की कहानी", "मेरा जिन्दगी का कहानी"),
    ("th", "ฉันรักเธอ 2 คน", "ฉันลักเธอ คน"),
    ("en", "сборная mixед 中文text (one (two) three)", "sbornaya mixed 中 text one two (three)"),
    ("en", "\n\n  \nlate start\n \n\n\nlong gap\n\n", "late start\nlong gap"),
    ("en", "e\u0301lan na\u0308ive ½ ² ♪ &amp; <3 a_b", "élan näive 1/2 2 amp a b"),
    ("en", "la la la", ""),
]


@pytest.mark.parametrize(("language", "reference", "hypothesis"), TABLE)
def test_many_languages_score_as_alt_eval_does(language: str, reference: str, hypothesis: str) -> None:
    from alt_eval import compute_metrics

    agree(score(reference, hypothesis, language).counts, compute_metrics([reference], [hypothesis], language))
    if hypothesis:  # alt-eval divides by the length of the reference
        agree(score(hypothesis, reference, language).counts, compute_metrics([hypothesis], [reference], language))


# Known answers


def edits_of(reference: str, hypothesis: str, language: str = "en") -> Edits:
    return score(reference, hypothesis, language).counts.words


def test_an_alignment_worked_by_hand() -> None:
    found = score("I <nl>oh</nl> love (you) so", "i Love you too so so", "en")
    seen = [
        (e.kind, e.reference and e.reference.text, e.hypothesis and e.hypothesis.text, e.run) for e in found.edits
    ]
    assert seen == [
        ("hit", "I", "i", 1),
        ("deletion", "oh", None, 1),
        ("hit", "love", "Love", 2),
        ("hit", "you", "you", 2),
        ("insertion", None, "too", 2),
        ("insertion", None, "so", 2),
        ("hit", "so", "so", 1),
    ]
    assert found.counts.words == Edits(hits=4, deletions=1, insertions=2)
    assert found.counts.nonlexical == Edits(deletions=1)
    assert found.counts.backing == Edits(hits=1)
    assert found.counts.parentheses == Edits(deletions=2)
    assert found.counts.case_errors == 2


def test_letters_of_words_are_counted_without_spaces() -> None:
    assert score("I can not", "i cannot", "en").counts.characters == Edits(hits=7)
    assert score("abc de", "abd", "en").counts.characters == Edits(hits=3, deletions=2)
    assert score("愛している", "愛してる", "ja").counts.characters == Edits(hits=4, deletions=1)


def test_lines_and_sections() -> None:
    found = score("a\nb\n\nc\nd", "a b\nc\n\nd", "en").counts
    # A section ends a line too.
    assert (found.line_breaks.n_reference, found.section_breaks.n_reference) == (3, 1)
    assert found.line_breaks == Edits(hits=2, deletions=1)
    assert found.section_breaks == Edits(deletions=1, insertions=1)
    assert found.words == Edits(hits=4)


@pytest.mark.parametrize("empty", ["", "\n\n", " ", "<nl></nl>", "...!?"])
def test_an_empty_reference(empty: str) -> None:
    found = score(empty, "la la land", "en")
    assert found.counts.words == Edits(insertions=3)
    assert [edit.kind for edit in found.edits] == ["insertion"] * 3
    derived = rates(found.counts)
    assert isnan(derived["WER"])
    assert isnan(derived["IR"])
    assert found.counts.characters == Edits(insertions=8)
    # They count once there is anything to divide by.
    assert rates(found.counts + score("one two three", "one two three", "en").counts)["WER"] == 1


def test_an_empty_hypothesis() -> None:
    found = score("one (two)\nthree <nl>oh</nl>", "", "en")
    derived = rates(found.counts)
    assert found.counts.words == Edits(deletions=4)
    assert derived["WER"] == derived["DR"] == derived["MER"] == derived["WIL"] == derived["CER"] == 1
    assert derived["DR_NL"] == derived["DR_BV"] == 0.25
    assert derived["R_line"] == derived["R_pare"] == 0
    assert isnan(derived["P_line"])


def test_both_empty() -> None:
    assert score("", "", "en") == Score(Counts(), ())


def test_a_reference_that_is_all_nonlexical() -> None:
    found = score("<nl>\noh oh\nah\n</nl>", "oh ah ah", "en").counts
    assert found.words == found.nonlexical == Edits(hits=2, substitutions=1)
    silent = score("<nl>\noh oh\nah\n</nl>", "", "en").counts
    assert silent.words == silent.nonlexical == Edits(deletions=3)
    assert rates(silent)["DR_NL"] == rates(silent)["WER"] == 1


def test_tags_across_lines() -> None:
    tagged = score("hey <nl>oh\noh</nl> you\n\n<nl>\nah\n</nl>", "hey you", "en").counts
    plain = score("hey oh\noh you\n\nah", "hey you", "en").counts
    assert tagged.nonlexical == Edits(deletions=3)
    assert Counts(**{**as_parts(tagged), "nonlexical": Edits()}) == plain


def as_parts(counts: Counts) -> dict[str, Any]:
    return {name: getattr(counts, name) for name in Counts.__dataclass_fields__}


def test_tags_of_the_hypothesis_are_no_words() -> None:
    assert edits_of("oh oh", "<nl>oh oh</nl>") == Edits(hits=2)


def test_case_counts_apart() -> None:
    found = rates(score("One TWO three four", "one two THREE four", "en").counts)
    assert (found["WER"], found["ER_case"], found["WER_case"]) == (0, 0.75, 0.75)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("an", "and", True),
        ("gon'", "gonna", True),
        ("their", "there", True),
        ("Their", "tHERE", True),
        ("a", "an", False),  # 1 of 2 letters is not less than half
        ("this", "that", False),
        ("love", "love", False),
        ("Love", "love", False),
        ("'cause", "cause", False),  # the same word
        ("rockin'", "rocking", True),
        ("running", "ran", False),  # 4 letters
        ("愛", "恋", False),
        ("", "ab", False),
    ],
)
def test_near_misses(reference: str, hypothesis: str, expected: bool) -> None:
    assert is_near_miss(reference, hypothesis) is is_near_miss(hypothesis, reference) is expected


def test_near_misses_are_forgiven_in_a_rate_of_their_own() -> None:
    found = score("their love is gone", "there hate is gone", "en")
    assert found.counts.near_misses == 1
    assert [edit.near_miss for edit in found.edits] == [True, False, False, False]
    assert (rates(found.counts)["WER"], rates(found.counts)["WER_near"], rates(found.counts)["near"]) == (
        0.5,
        0.25,
        0.25,
    )


@pytest.mark.parametrize("n", [1, LONG_RUN, LONG_RUN + 1, 30])
def test_runs_over_ten_are_hallucinated(n: int) -> None:
    assert LONG_RUN == 10
    expected = n if n > 10 else 0
    inserted = score("one two", "one " + "la " * n + "two", "en")
    assert inserted.counts.words == Edits(hits=2, insertions=n)
    assert (inserted.counts.hallucinated_insertions, inserted.counts.hallucinated_substitutions) == (expected, 0)
    assert sum(edit.hallucinated for edit in inserted.edits) == expected
    replaced = score("one " + "so " * n + "two", "one " + "la " * n + "two", "en")
    assert (replaced.counts.hallucinated_insertions, replaced.counts.hallucinated_substitutions) == (0, expected)
    derived = rates(replaced.counts)
    assert (derived["IR_hal"], derived["IR_hal_sub"]) == (0, expected / (n + 2))
    deleted = score("one " + "so " * n + "two", "one two", "en")
    assert (deleted.counts.words.deletions, sum(edit.hallucinated for edit in deleted.edits)) == (n, 0)


def test_a_hit_parts_a_run() -> None:
    found = score("one two three", "one " + "la " * 10 + "two " + "la " * 10 + "three", "en").counts
    assert found.words == Edits(hits=3, insertions=20)
    assert found.hallucinated_insertions == 0


def test_lines_do_not_part_a_run() -> None:
    assert score("one", "one\n" + "la la\n\n" * 6, "en").counts.hallucinated_insertions == 12


def test_an_unknown_language() -> None:
    with pytest.raises(ConfigError, match="no language is called 'xx'"):
        score("a", "b", "xx")


# Invariants

TEXTS = st.lists(
    st.tuples(
        st.sampled_from(
            ["la", "La", "oh", "love", "glove", "don't", "愛", "ひ", "나", "é", "99", "<nl>oh</nl>", "(ah)"]
        ),
        st.sampled_from([" ", ", ", "\n", "\n\n", " (", ") ", "! "]),
    ),
    max_size=14,
).map(lambda parts: "".join(word + gap for word, gap in parts))
LANGUAGES = st.sampled_from(["en", "fr", "ja"])
QUICK = settings(max_examples=150, deadline=None)


@QUICK
@given(TEXTS, LANGUAGES, st.booleans())
def test_a_text_against_itself_has_no_errors(text: str, language: str, normalise: bool) -> None:
    counts = score(text, text, language, normalise=normalise).counts
    n_words = len(tokenize(text, language, normalise=normalise).words)
    assert counts.words == Edits(hits=n_words)
    for name, part in as_parts(counts).items():
        assert (part.errors if isinstance(part, Edits) else part) == 0, name


@QUICK
@given(TEXTS, TEXTS, LANGUAGES)
def test_counts_add_up(reference: str, hypothesis: str, language: str) -> None:
    found = score(reference, hypothesis, language)
    counts, words = found.counts, found.counts.words
    wanted, heard = tokenize(reference, language), tokenize(hypothesis, language)
    assert words.hits + words.substitutions + words.deletions == len(wanted.words)
    assert words.hits + words.substitutions + words.insertions == len(heard.words)
    assert tuple(edit.reference for edit in found.edits if edit.reference) == wanted.words
    assert tuple(edit.hypothesis for edit in found.edits if edit.hypothesis) == heard.words
    for part, is_of in ((counts.nonlexical, "nonlexical"), (counts.backing, "backing")):
        assert part.insertions == 0
        assert part.n_reference == sum(getattr(word, is_of) for word in wanted.words)
        assert all(getattr(part, name) <= getattr(words, name) for name in OF_COUNTS)
    assert counts.near_misses <= words.substitutions
    assert counts.hallucinated_substitutions <= words.substitutions
    assert counts.hallucinated_insertions <= words.insertions
    assert counts.case_errors <= words.hits
    for tag, part in (("punctuation", counts.punctuation), ("parenthesis", counts.parentheses)):
        assert part.n_reference == sum(tag in token.tags for token in wanted.all)


@QUICK
@given(TEXTS, TEXTS, LANGUAGES)
def test_swapped_texts_swap_deletions_and_insertions(reference: str, hypothesis: str, language: str) -> None:
    there, back = edits_of(reference, hypothesis, language), edits_of(hypothesis, reference, language)
    assert there.errors == back.errors
    # Of alignments as short, either may be found: two substitutions, or a deletion and an insertion around a hit.
    assert there.deletions - there.insertions == back.insertions - back.deletions


@QUICK
@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4), LANGUAGES)
def test_pooled_rates_are_those_of_jiwer_over_the_list(pairs: list[tuple[str, str]], language: str) -> None:
    import jiwer

    counts = pool(score(*pair, language).counts for pair in pairs)
    wanted, heard = (
        [[word.text.lower() for word in tokenize(text, language).words] for text in texts]
        for texts in zip(*pairs, strict=True)
    )
    as_they_are = jiwer.Compose([])
    assume(any(wanted))  # jiwer divides by the length of all references
    found = jiwer.process_words(
        wanted,  # type: ignore[arg-type]
        heard,  # type: ignore[arg-type]
        reference_transform=as_they_are,
        hypothesis_transform=as_they_are,
    )
    assert counts.words == Edits(found.hits, found.substitutions, found.deletions, found.insertions)
    derived = rates(counts)
    assert (derived["WER"], derived["MER"], derived["WIL"]) == pytest.approx((found.wer, found.mer, found.wil))


# Size


@pytest.mark.slow
def test_ten_thousand_songs_stay_under_two_gigabytes() -> None:
    """Every text is another one, so that nothing comes from the cache."""
    script = textwrap.dedent(
        """
        import random
        from lyricsep.scoring import bootstrap, pool, score
        draw = random.Random(0)
        words = [f"{a}{b}{c}" for a in "bdgklmn" for b in "aeiou" for c in ("", "r", "ll", "st")]
        counts = []
        for song in range(10_000):
            lines = [" ".join(draw.choices(words, k=4)) for _ in range(3)]
            heard = [line if draw.random() < 0.8 else " ".join(draw.choices(words, k=4)) for line in lines]
            counts.append(score("\\n".join(lines), "\\n".join(heard), "en").counts)
        bootstrap(counts, n_samples=1000)
        assert pool(counts).words.n_reference == 120_000
        print(peak())
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", PEAK + script], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2 * 1024**3
