"""Alignment by CTC: paths against an exhaustive search, and songs of tones that a tiny model hears as letters."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from itertools import combinations_with_replacement, groupby
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import lyricsep
from lyricsep.aligners import AlignmentOptions, KnownClips, KnownLine, KnownLyrics
from lyricsep.aligners.ctc import ANY, SILENT, CtcAligner, CtcModel, Emissions, Vocabulary, find_ctc_path
from lyricsep.aligners.ctc_models import find_ctc
from lyricsep.aligners.path import TICK, TICK_SAMPLES, NoPathError
from lyricsep.cli import main
from lyricsep.errors import ConfigError, LyricsepError, WeightsError
from lyricsep.lyrics import NOT_SUNG, Lyrics, Segment, Word
from lyricsep.plan import AlignOptions, Plan, resolve
from lyricsep.session import Job, Session

transformers = pytest.importorskip("transformers")

RATE = 16_000
LETTERS = "ABCDEFGH"
TOKENS = {"<pad>": 0, "|": 1, "<unk>": 2, **{letter: 3 + index for index, letter in enumerate(LETTERS)}}
PITCHES = 400 * 1.25 ** np.arange(len(LETTERS))  # Hz
CARD = "---\nlanguage: en\nlicense: cc-by-nc-4.0\ntags:\n- audio\n---\n# A model\nlicense: mit\n"
CPU = torch.device("cpu")

Told = tuple[object, str, str]
"""Exit code, stdout and stderr of a command."""


def tone(letter: str, n_ticks: int) -> NDArray[np.float32]:
    n_samples = n_ticks * TICK_SAMPLES
    samples = 0.3 * np.sin(2 * np.pi * PITCHES[LETTERS.index(letter)] * np.arange(n_samples) / RATE)
    return samples.astype(np.float32)


def sing(*words: tuple[int, str], n_ticks: int) -> NDArray[np.float32]:
    """Return a song: each word begins at its tick, letters last 6 ticks, with 2 of silence between two alike."""
    song = 1e-4 * np.random.default_rng(1).standard_normal(n_ticks * TICK_SAMPLES).astype(np.float32)
    for tick, word in words:
        for before, letter in zip(" " + word, word, strict=False):
            tick += 2 * (letter == before)
            song[tick * TICK_SAMPLES : (tick + 6) * TICK_SAMPLES] = tone(letter.upper(), 6)
            tick += 6
    return song


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model without layers that hears a tone as a letter: filters at the pitches, and a least-squares fit."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = transformers.Wav2Vec2Config(
        vocab_size=len(TOKENS),
        hidden_size=64,
        num_hidden_layers=0,
        conv_dim=(32,),
        conv_kernel=(400,),
        conv_stride=(TICK_SAMPLES,),
        conv_bias=True,
        feat_extract_norm="layer",
        num_conv_pos_embeddings=3,
        num_conv_pos_embedding_groups=1,
        pad_token_id=0,
        adapter_attn_dim=4,
    )
    model = transformers.Wav2Vec2ForCTC(config).eval()
    n_ticks = 1000
    samples, labels, tick = np.zeros((n_ticks + 1) * TICK_SAMPLES, np.float32), np.zeros(n_ticks, int), 0
    while tick < n_ticks - 8:
        letter, length = rng.choice(list(LETTERS)), int(rng.integers(3, 8))
        samples[tick * TICK_SAMPLES : (tick + length) * TICK_SAMPLES] = tone(letter, length)
        labels[tick : tick + length] = TOKENS[letter]
        tick += length + int(rng.integers(0, 6))
    samples = samples[: n_ticks * TICK_SAMPLES + 80] + 1e-3 * rng.standard_normal(n_ticks * TICK_SAMPLES + 80)
    heard = torch.tensor((samples - samples.mean()) / samples.std(), dtype=torch.float32)[None]
    angles = 2 * np.pi * np.outer(PITCHES, np.arange(400) / RATE)
    filters = np.concatenate([np.cos(angles + phase) for phase in np.arange(4) * np.pi / 2]) * np.hanning(400)
    with torch.no_grad():
        model.wav2vec2.feature_extractor.conv_layers[0].conv.weight.copy_(torch.tensor(filters[:, None]))
        features = torch.nn.functional.pad(model.wav2vec2(heard).last_hidden_state[0].double(), (0, 1), value=1.0)
        target = torch.nn.functional.one_hot(torch.tensor(labels), len(TOKENS)).double()
        square = features.T @ features + 1e-3 * torch.eye(features.shape[1])
        fit = 20 * torch.linalg.solve(square, features.T @ target)
        model.lm_head.weight.copy_(fit[:-1].T)
        model.lm_head.bias.copy_(fit[-1])
    path = tmp_path_factory.mktemp("models") / "tones"
    model.save_pretrained(path)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(path)
    vocabulary = path / "vocab.json"
    vocabulary.write_text(json.dumps(TOKENS), encoding="utf-8")
    transformers.Wav2Vec2CTCTokenizer(str(vocabulary)).save_pretrained(path)
    (path / "README.md").write_text(CARD, encoding="utf-8")
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    """The model in a folder that a test may change."""
    return Path(shutil.copytree(folder, tmp_path / "copy"))


@pytest.fixture(scope="module")
def model(folder: Path) -> CtcModel:
    return CtcModel(find_ctc(str(folder)), CPU)


def known(*rows: str) -> KnownLyrics:
    return KnownLyrics(tuple(KnownLine(row) for row in rows))


def align(
    model: CtcModel,
    song: NDArray[np.float32],
    lyrics: KnownLyrics,
    *,
    mixture: NDArray[np.float32] | None = None,
    segments: tuple[Segment, ...] | None = None,
    language: str | None = None,
    mix_back: float = 0.0,
) -> Lyrics:
    if mixture is None:
        mixture = song
    if segments is None:
        segments = (Segment(0.0, len(song) / RATE),)
    job = KnownClips(mixture, song, segments, language, known=lyrics)
    (found,) = CtcAligner(model, AlignmentOptions(mix_back)).align([job])
    if isinstance(found, LyricsepError):
        raise found
    return found


def words_of(lyrics: Lyrics) -> list[Word]:
    return [word for line in lyrics.lines for word in line.words]


def start_ticks(lyrics: Lyrics) -> list[int]:
    return [round(word.start / TICK) for word in words_of(lyrics)]


# Paths.


def emissions(
    letters: NDArray[np.float64],
    blank: NDArray[np.float64],
    pause: NDArray[np.float64] | None = None,
    silence: NDArray[np.float64] | None = None,
) -> Emissions:
    """Return emissions of letters (n_ticks, n_tokens)."""
    return Emissions(
        letters.astype(np.float32),
        blank.astype(np.float32),
        (blank if pause is None else pause).astype(np.float32),
        np.zeros(len(letters)) if silence is None else silence,
    )


def everywhere(n_letters: int, n_ticks: int) -> NDArray[np.intp]:
    return np.tile([0, n_ticks], (n_letters, 1))


def best_by_trying(heard: Emissions, tokens: list[int], firsts: list[int]) -> float:
    """Return the score of the best path, by trying all."""
    n_states = 2 * len(tokens) + 1
    best = -np.inf
    for walk in combinations_with_replacement(range(n_states), len(heard.blank)):
        visited = [state for state, _ in groupby(walk)]
        letters = [state // 2 for state in visited if state % 2]
        # A blank is needed between two letters that are alike.
        alike = [2 * i for i in range(1, len(tokens)) if tokens[i] == tokens[i - 1]]
        if letters != list(range(len(tokens))) or not set(alike) <= set(visited):
            continue
        total = 0.0
        for tick, state in enumerate(walk):
            lost = SILENT * heard.silence[tick]
            if state % 2:
                total += heard.letters[tick, tokens[state // 2]] - lost
            elif state // 2 in [*firsts, len(tokens)]:
                total += heard.pause[tick]
            else:
                total += heard.blank[tick] - lost
        best = max(best, total)
    return best


@given(st.data())
def test_no_path_is_better(data: st.DataObject) -> None:
    n_ticks = data.draw(st.integers(3, 6))
    tokens = data.draw(st.lists(st.integers(0, 1), min_size=1, max_size=3))
    firsts = [0, *(n for n in range(1, len(tokens)) if data.draw(st.booleans()))]
    numbers = data.draw(st.lists(st.floats(-9, 0, width=16), min_size=4 * n_ticks, max_size=4 * n_ticks))
    values = np.array(numbers).reshape(4, n_ticks)
    silence = np.array(data.draw(st.lists(st.floats(0, 1, width=16), min_size=n_ticks, max_size=n_ticks)))
    heard = emissions(values[:2].T, values[2], values[3], silence)
    best = best_by_trying(heard, tokens, firsts)
    if not np.isfinite(best):
        with pytest.raises(NoPathError, match=f"{len(tokens)} letters do not fit into {n_ticks} ticks"):
            find_ctc_path(heard, tokens, firsts, everywhere(len(tokens), n_ticks))
        return
    path = find_ctc_path(heard, tokens, firsts, everywhere(len(tokens), n_ticks))
    total = 0.0
    for tick, letter in enumerate(path.letters):
        lost = SILENT * silence[tick]
        is_within = letter < 0 and any(start <= tick < end for start, end in zip(path.starts, path.ends, strict=True))
        if letter >= 0:
            total += heard.letters[tick, tokens[letter]] - lost
        else:
            total += heard.blank[tick] - lost if is_within else heard.pause[tick]
    assert total == pytest.approx(best, abs=1e-4)


def peaks(n_ticks: int, *heard: tuple[int, int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return log-probabilities of two letters and of blank, where letters are heard at single ticks (tick, token)."""
    letters, blank = np.full((n_ticks, 2), -6.0), np.full(n_ticks, -0.1)
    for tick, token in heard:
        letters[tick, token], blank[tick] = -0.1, -6.0
    return letters, blank


def test_words_start_and_end_at_the_ticks_of_their_letters() -> None:
    letters, blank = peaks(12, (2, 0), (4, 1), (7, 1), (9, 0))
    path = find_ctc_path(emissions(letters, blank), [0, 1, 1, 0], [0, 2], everywhere(4, 12))
    assert path.starts.tolist() == [2, 7]
    assert path.ends.tolist() == [5, 10]
    assert path.letters.tolist() == [-1, -1, 0, -1, 1, -1, -1, 2, -1, 3, -1, -1]


def test_a_word_does_not_last_over_silence() -> None:
    """The second letter is heard twice, the second time a little better, but after a silence."""
    letters, blank = peaks(12, (2, 0), (4, 1), (10, 1))
    letters[10, 1] = 0.0
    silence = np.zeros(12)
    calm = find_ctc_path(emissions(letters, blank), [0, 1], [0], everywhere(2, 12))
    assert calm.letters[10] == 1
    silence[6:9] = 1
    path = find_ctc_path(emissions(letters, blank, silence=silence), [0, 1], [0], everywhere(2, 12))
    assert (path.starts.tolist(), path.ends.tolist()) == ([2], [5])


def test_a_letter_outside_its_bounds_counts_as_unheard() -> None:
    letters, blank = peaks(12, (2, 0), (8, 0))
    letters[2, 0] = 0.0
    bounds = np.array([[3, 9]])
    assert find_ctc_path(emissions(letters, blank), [0], [0], everywhere(1, 12)).starts.tolist() == [2]
    assert find_ctc_path(emissions(letters, blank), [0], [0], bounds).starts.tolist() == [8]
    for tight in ([[8, 9]], [[9, 9]]):  # its last tick is before the bound
        found = find_ctc_path(emissions(letters, blank), [0], [0], np.array(tight)).starts.tolist()
        assert found == ([8] if tight == [[8, 9]] else [2])


# Letters.


def test_letters_are_spelled_as_the_vocabulary_writes_them() -> None:
    upper = Vocabulary.of({"<pad>": 0, "|": 1, **{letter: 2 + i for i, letter in enumerate("ABCEÉS'")}}, 0)
    assert (upper.blank, upper.delimiter) == (0, 1)
    assert upper.spell("cab") == [4, 2, 3]
    assert upper.spell("é") == [6]
    assert upper.spell("e\N{COMBINING ACUTE ACCENT}") == [6]
    assert upper.spell("èà") == [5, 2]  # it lacks these marks
    assert upper.spell("ß") == [7, 7]
    assert upper.spell("a'b") == [2, 8, 3]
    lower = Vocabulary.of({"<pad>": 4, "a": 0, "b": 1, "क": 2, "ि": 3}, 4)
    assert lower.delimiter is None
    assert lower.spell("b'a") == [1, 0]
    assert lower.spell("कि") == [2, 3]
    assert lower.spell("a\N{COMBINING TILDE}b") == [0, 1]


def test_letters_that_a_vocabulary_lacks_may_be_any() -> None:
    vocabulary = Vocabulary.of(TOKENS, 0)
    assert set(vocabulary.letters) == set(LETTERS)
    assert vocabulary.spell("2024") == [ANY]
    assert vocabulary.spell("a42b") == [TOKENS["A"], ANY, TOKENS["B"]]
    assert vocabulary.unknown("abxy") == 0.5
    assert vocabulary.unknown("12") == 0
    assert Vocabulary.of({"<pad>": 0, "ab": 1}, 0).unknown("12") == 1


# Songs.


def test_words_are_timed_to_the_tick(model: CtcModel) -> None:
    song = sing((20, "bad"), (50, "egg"), (100, "cafe"), (160, "head"), n_ticks=240)
    found = align(model, song, known("Bad egg,", "CAFÉ head!"))
    assert [line.text for line in found.lines] == ["Bad egg,", "CAFÉ head!"]
    assert [word.text for word in words_of(found)] == ["Bad", "egg,", "CAFÉ", "head!"]
    assert start_ticks(found) == [20, 50, 100, 160]
    ends = [round(word.end / TICK) for word in words_of(found)]
    assert ends == pytest.approx([38, 70, 124, 184], abs=1)  # the level is that of three ticks
    assert all(word.probability > 0.7 for word in words_of(found))
    assert (found.duration, found.language, found.segments) == (4.8, None, (Segment(0.0, 4.8),))


def test_the_wrong_words_are_less_probable(model: CtcModel) -> None:
    song = sing((20, "bad"), (50, "egg"), n_ticks=120)
    right, wrong = (align(model, song, known(row)) for row in ("bad egg", "bad hah"))
    assert words_of(right)[1].probability > 0.7 > 0.3 > words_of(wrong)[1].probability


def test_windows_give_what_the_whole_song_gives(model: CtcModel, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [(20 + 33 * n, word) for n, word in enumerate(["bad", "egg", "cafe", "head"] * 3)]
    song, lyrics = sing(*words, n_ticks=440), known(" ".join(word for _, word in words))
    whole = align(model, song, lyrics)
    lengths: list[int] = []
    listen = model.logprobs

    def counted(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        lengths.append(len(samples))
        return listen(samples)

    monkeypatch.setattr(model, "logprobs", counted)
    monkeypatch.setattr("lyricsep.aligners.ctc.WINDOW", 2.0)
    monkeypatch.setattr("lyricsep.aligners.ctc.CONTEXT", 0.5)
    cut = align(model, song, lyrics)
    assert lengths == [ticks * TICK_SAMPLES + 80 for ticks in (125, 150, 150, 150, 65)]
    assert start_ticks(whole) == [tick for tick, _ in words]
    assert [word.start for word in words_of(cut)] == [word.start for word in words_of(whole)]
    assert [word.probability for word in words_of(cut)] == pytest.approx(
        [word.probability for word in words_of(whole)], abs=0.02
    )


def test_nothing_is_heard_outside_segments(model: CtcModel) -> None:
    song = sing((20, "bad"), (100, "bad"), n_ticks=160)
    late = align(model, song, known("bad"), segments=(Segment(1.8, 3.0),))
    assert start_ticks(late) == [100]
    early = align(model, song, known("bad"), segments=(Segment(0.2, 1.2),))
    assert start_ticks(early) == [20]


def test_a_word_is_held_until_silence_or_the_next_word(model: CtcModel) -> None:
    """A tone that is no letter goes on after the first word, as a vowel does that CTC hears when it begins."""
    song = sing((20, "bad"), (70, "egg"), n_ticks=120)
    hum = 0.3 * np.sin(2 * np.pi * 150 * np.arange(20 * TICK_SAMPLES) / RATE)
    song[38 * TICK_SAMPLES : 58 * TICK_SAMPLES] = hum
    ends = [round(word.end / TICK) for word in words_of(align(model, song, known("bad egg")))]
    assert ends == [pytest.approx(58, abs=2), pytest.approx(90, abs=2)]


class Scripted:
    """Stands for a model that hears a token at a single tick, and blank at all others."""

    overlap = 0

    def __init__(self, heard: dict[int, str]) -> None:
        self.heard = heard

    def vocabulary(self, _language: str | None, _text: str) -> Vocabulary:
        return Vocabulary.of(TOKENS, 0)

    def logprobs(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = np.full((len(samples) // TICK_SAMPLES, len(TOKENS)), -9.0, np.float32)
        scores[:, 0] = -0.1
        for tick, text in self.heard.items():
            scores[tick, [0, TOKENS[text]]] = -9.0, -0.1
        return scores


@pytest.mark.parametrize(("heard", "end"), [({20: "A", 40: "|", 60: "B"}, 40), ({20: "A", 60: "B"}, 60)])
def test_a_word_ends_where_the_model_hears_its_end(heard: dict[int, str], end: int) -> None:
    """Somebody sings all the time."""
    song = 0.3 * np.random.default_rng(0).standard_normal(100 * TICK_SAMPLES).astype(np.float32)
    job = KnownClips(song, song, [Segment(0.0, 2.0)], known=known("a b"))
    (found,) = CtcAligner(cast("CtcModel", Scripted(heard)), AlignmentOptions()).align([job])
    assert isinstance(found, Lyrics)
    first, second = words_of(found)
    assert (first.start, first.end, second.start) == pytest.approx((20 * TICK, end * TICK, 60 * TICK))
    assert first.probability == pytest.approx(np.exp(-0.1))


def test_the_accompaniment_is_mixed_back(model: CtcModel) -> None:
    """The vocals lack the first word, which is in the accompaniment."""
    vocals = sing((60, "egg"), n_ticks=120)
    mixture = vocals + sing((20, "bad"), n_ticks=120)
    only = align(model, vocals, known("bad egg"), mixture=mixture)
    assert words_of(only)[0].probability < 0.3
    both = align(model, vocals, known("bad egg"), mixture=mixture, mix_back=1.0)
    assert words_of(both)[0].probability > 0.3


def test_a_number_has_its_place_between_words(model: CtcModel) -> None:
    song = sing((20, "bad"), (50, "feca"), (100, "egg"), n_ticks=150)
    assert start_ticks(align(model, song, known("bad 17 egg"))) == [20, 50, 100]


def test_lyrics_in_a_script_that_the_model_lacks(model: CtcModel) -> None:
    song = sing((20, "bad"), n_ticks=60)
    with pytest.raises(ConfigError, match=r"^tones: has no letters for 75% of the lyrics; set aligner to"):
        align(model, song, known("a бвг"))


def test_lines_stay_near_their_times(model: CtcModel) -> None:
    """Words are sung before, at and after the times of their lines, which were tapped late."""
    words = (20, "bad"), (60, "egg"), (100, "bad"), (140, "egg"), (180, "cafe"), (240, "egg"), (280, "cafe")
    song = sing(*words, n_ticks=340)
    lines = [KnownLine(text, start=tick * TICK + 0.3) for tick, text in words[2:5]]
    untimed = known("bad", "egg", "cafe")
    assert start_ticks(align(model, song, KnownLyrics((*lines,)))) == [100, 140, 180]
    assert start_ticks(align(model, song, untimed)) != [100, 140, 180]
    # Without a time, out of order, and after the end of the song.
    others = KnownLine("egg"), KnownLine("bad", start=0.2), KnownLine("bad", start=100.0)
    found = align(model, song, KnownLyrics((others[0], *lines, *others[1:])))
    assert [NOT_SUNG in line.flags for line in found.lines] == [True, False, False, False, True, True]
    assert start_ticks(found) == [100, 140, 180]


def test_nothing_is_sung_where_nothing_fits(model: CtcModel) -> None:
    silence = np.zeros(RATE, np.float32)
    assert all(NOT_SUNG in line.flags for line in align(model, silence, known("bad"), segments=()).lines)
    short = sing((2, "b"), n_ticks=10)
    found = align(model, short, known("bad cafe", "head"))
    assert (found.text, words_of(found)) == ("bad cafe\nhead", [])
    assert words_of(align(model, short, known("b")))[0].start == pytest.approx(2 * TICK, abs=TICK)


def test_progress_goes_to_the_end(model: CtcModel) -> None:
    song = sing((20, "bad"), n_ticks=60)
    shares: list[float] = []
    list(
        CtcAligner(model, AlignmentOptions()).align(
            [KnownClips(song, song, [Segment(0.0, 1.2)], None, shares.append, known("bad"))]
        )
    )
    assert shares == [1.0]


# Models.


def test_what_is_known_of_a_model(folder: Path, model: CtcModel) -> None:
    spec = find_ctc(str(folder))
    assert (spec.name, spec.folder, spec.licence, spec.revision) == ("tones", folder, "cc-by-nc-4.0", "")
    assert [file.name for file in spec.files] == [
        "config.json",
        "preprocessor_config.json",
        "vocab.json",
        "model.safetensors",
    ]
    assert model.overlap == 80
    assert CtcAligner(model, AlignmentOptions()).name == "ctc tones"


@pytest.mark.parametrize(
    ("card", "terms"),
    [
        (CARD, "licence cc-by-nc-4.0, not for commercial use"),
        ("---\nlicense: apache-2.0\n---\n", "licence apache-2.0"),
        ("---\nlicense:\n- mit\ntags: [audio]\n---\n", "licence mit"),
        ("---\ntags: [audio]\n---\nlicense: mit\n", "licence unknown"),
        ("# Not a card\n", "licence unknown"),
        (None, "licence unknown"),
    ],
)
def test_the_licence_is_that_of_the_card(copy: Path, card: str | None, terms: str) -> None:
    (copy / "README.md").unlink()
    if card is not None:
        (copy / "README.md").write_text(card, encoding="utf-8")
    assert find_ctc(str(copy)).terms == terms


def test_transformers_is_an_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"^transformers is not installed; run: pip install 'lyricsep\[ctc\]'$"):
        find_ctc(str(folder))


def test_folders_that_hold_no_ctc_model(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: there is no such folder; set aligner to ctc: and"):
        find_ctc(str(tmp_path / "nowhere"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"^empty: is no CTC model of transformers, it has no config\.json$"):
        find_ctc(str(tmp_path / "empty"))
    weights = (copy / "model.safetensors").rename(tmp_path / "kept")
    with pytest.raises(WeightsError, match=r"^copy: is no CTC model of transformers, it has no model\.safetensors$"):
        find_ctc(str(copy))
    weights.rename(copy / "model.safetensors")
    config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
    (copy / "config.json").write_text(json.dumps({**config, "architectures": ["Wav2Vec2Model"]}), encoding="utf-8")
    with pytest.raises(WeightsError, match=r"^copy: is no CTC model, but Wav2Vec2Model; choose a model for speech"):
        find_ctc(str(copy))
    (copy / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"^copy: its config\.json cannot be read \(.+\)$"):
        find_ctc(str(copy))


def spoiled(folder: Path, name: str, **changes: object) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")


def test_models_that_cannot_be_used(copy: Path) -> None:
    spec = find_ctc(str(copy))
    spoiled(copy, "preprocessor_config.json", sampling_rate=8000)
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json"):  # changed since it was found
        CtcModel(spec, CPU)
    with pytest.raises(WeightsError, match=r"^copy: expected a model that hears samples at 16000 Hz .+ at 8000 Hz"):
        CtcModel(find_ctc(str(copy)), CPU)
    spoiled(copy, "preprocessor_config.json", sampling_rate=RATE)
    spoiled(copy, "config.json", conv_stride=[160])
    with pytest.raises(WeightsError, match=r"^copy: expected .+ a frame for every 160"):
        CtcModel(find_ctc(str(copy)), CPU)
    spoiled(copy, "config.json", conv_stride=[TICK_SAMPLES])
    spoiled(copy, "vocab.json", I=len(TOKENS))
    with pytest.raises(WeightsError, match=r"^copy: has tokens in its vocab\.json that it never gives; get it"):
        CtcModel(find_ctc(str(copy)), CPU)
    (copy / "vocab.json").write_text("[]", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"^copy: cannot be loaded \(.+\); get it again"):
        CtcModel(find_ctc(str(copy)), CPU)
    (copy / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(WeightsError, match=r"^copy: cannot be loaded \(.+\); get it again"):
        CtcModel(find_ctc(str(copy)), CPU)


def test_weights_without_a_head_are_no_ctc_model(copy: Path) -> None:
    loaded = transformers.Wav2Vec2ForCTC.from_pretrained(copy)
    loaded.wav2vec2.save_pretrained(copy)
    spoiled(copy, "config.json", architectures=["Wav2Vec2ForCTC"])
    with pytest.raises(WeightsError, match=r"^copy: is no CTC model, its weights have no lm_head$"):
        CtcModel(find_ctc(str(copy)), CPU)


# Adapters, as MMS has them.

SWAPPED = {**TOKENS, "A": TOKENS["B"], "B": TOKENS["A"]}


@pytest.fixture
def adapted(copy: Path) -> Path:
    """The model with adapters: of German as it is, of Serbian in two scripts, one with two tokens swapped."""
    from safetensors.torch import save_file

    head = transformers.Wav2Vec2ForCTC.from_pretrained(copy).lm_head
    order = [SWAPPED[text] for text in TOKENS]
    weight, bias = head.weight.detach(), head.bias.detach()
    save_file({"lm_head.weight": weight, "lm_head.bias": bias}, copy / "adapter.deu.safetensors")
    swapped = {"lm_head.weight": weight[order].contiguous(), "lm_head.bias": bias[order].contiguous()}
    save_file(swapped, copy / "adapter.srp-script_latin.safetensors")
    cyrillic = {
        **{text: n for text, n in TOKENS.items() if n < 3},
        **dict(zip("АБВГДЕЖЗ", range(3, 11), strict=True)),
    }
    languages = {"srp-script_cyrillic": cyrillic, "srp-script_latin": SWAPPED, "deu": TOKENS, "swe": TOKENS}
    (copy / "vocab.json").write_text(json.dumps(languages), encoding="utf-8")
    return copy


def test_each_language_has_its_adapter(adapted: Path) -> None:
    model = CtcModel(find_ctc(str(adapted)), CPU)
    song = sing((20, "bad"), (50, "egg"), n_ticks=120)
    for language in ("de", "sr", "de"):
        found = align(model, song, known("bad egg"), language=language)
        assert start_ticks(found) == [20, 50]
        assert all(word.probability > 0.7 for word in words_of(found))
        assert found.language == language
    assert [file.name for file in model.spec.files][-2:] == [
        "adapter.deu.safetensors",
        "adapter.srp-script_latin.safetensors",
    ]


def test_languages_that_cannot_be_heard(adapted: Path) -> None:
    model = CtcModel(find_ctc(str(adapted)), CPU)
    song = sing((20, "bad"), n_ticks=60)
    with pytest.raises(ConfigError, match=r"^copy: has an adapter for each language, .+; set language$"):
        align(model, song, known("bad"))
    with pytest.raises(ConfigError, match=r"^copy: does not know Yoruba \(yo\); choose another aligner$"):
        align(model, song, known("bad"), language="yo")
    with pytest.raises(WeightsError, match=r"^copy: has no adapter\.swe\.safetensors; put it into"):
        align(model, song, known("bad"), language="sv")


# The hub.


@pytest.fixture
def hub(adapted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of the hub's client, with the model as `someone/tones`."""
    cache = tmp_path / "hub"
    repository = cache / "models--someone--tones"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd", encoding="utf-8")
    shutil.copytree(adapted, repository / "snapshots" / "0123abcd")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return repository


def test_a_model_of_the_hub_that_is_here(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_ctc("someone/tones", offline=True)
    assert (spec.name, spec.revision, spec.licence) == ("someone/tones", "0123abcd", "cc-by-nc-4.0")
    assert not any("adapter" in file.name for file in spec.files)
    model = CtcModel(spec, CPU, offline=True)
    song = sing((20, "bad"), n_ticks=60)
    assert start_ticks(align(model, song, known("bad"), language="de")) == [20]
    with pytest.raises(WeightsError, match=r"^someone/tones: adapter\.swe\.safetensors: is not on this machine"):
        align(model, song, known("bad"), language="sv")
    monkeypatch.setenv("LYRICSEP_OFFLINE", "1")
    assert find_ctc("someone/tones") == spec


def test_a_model_of_the_hub_that_is_not_here(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match=r"^someone/else: is not on this machine, and network access is off \(off"):
        find_ctc("someone/else", offline=True)

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.delenv("LYRICSEP_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(WeightsError, match=r"^someone/else: could not be downloaded \(no route to host\); check the"):
        find_ctc("someone/else")


# The whole job.


def plan_of(folder: Path, **options: object) -> Plan:
    return resolve(AlignOptions(aligner=f"ctc:{folder}", separator="none", device="cpu", offline=True, **options))


def test_a_plan_needs_no_whisper(folder: Path) -> None:
    plan = plan_of(folder, language="german")
    assert (plan.model, plan.backend, plan.language) == (None, "", "de")
    assert [file.name for file in plan.weights] == [file.name for file in find_ctc(str(folder)).files]
    assert plan.summary.split(": ", 1)[1].startswith(
        "none + ctc tones (licence cc-by-nc-4.0, not for commercial use) on "
    )
    told = plan.describe()
    assert (told["aligner"], told["model"], told["mix_back"]) == ("tones", None, plan.alignment.mix_back)
    assert plan_of(folder, mix_back=0.5).alignment == AlignmentOptions(0.5)
    assert resolve(AlignOptions(separator="none", device="cpu")).aligner is None


def test_the_weights_are_part_of_the_key(copy: Path, folder: Path) -> None:
    def key(path: Path) -> str:
        return plan_of(path).lyrics_key(["song"], None, known("bad"))

    assert key(copy) == key(folder)
    spoiled(copy, "vocab.json", A=4, B=3)
    assert key(copy) != key(folder)
    whisper = resolve(AlignOptions(separator="none", device="cpu", offline=True))
    assert whisper.lyrics_key(["song"], None, known("bad")) != key(folder)


def test_the_commit_is_part_of_the_key(hub: Path) -> None:
    """It tells which adapters there are."""

    def key() -> str:
        options = AlignOptions(aligner="ctc:someone/tones", separator="none", device="cpu", offline=True)
        return resolve(options).lyrics_key(["song"], "de", known("bad"))

    before = key()
    (hub / "snapshots" / "0123abcd").rename(hub / "snapshots" / "4567cdef")
    (hub / "refs" / "main").write_text("4567cdef", encoding="utf-8")
    assert key() != before


@pytest.mark.parametrize("name", ["ctc", "ctc:", "whisperx", "mms:x"])
def test_there_is_no_such_aligner(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"^no aligner is called '{name}'; choose whisper or ctc:MODEL$"):
        resolve(AlignOptions(aligner=name, separator="none", device="cpu"))


def test_a_whisper_model_has_no_use(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"^a CTC model aligns without Whisper; leave out model, or aligner$"):
        plan_of(folder, model="base")


WORDS = [(40 + 50 * n, word) for n, word in enumerate(["bad", "egg", "cafe", "head"] * 4)]
TEXT = "\n".join(" ".join(word for _, word in WORDS[n : n + 4]) for n in range(0, 16, 4))
TRUE = [tick * TICK for tick, _ in WORDS]


@pytest.fixture
def song(tmp_path: Path) -> Path:
    path = tmp_path / "song.wav"
    soundfile.write(path, sing(*WORDS, n_ticks=900), RATE)
    return path


def starts(lyrics: Lyrics) -> list[float]:
    return [word.start for word in words_of(lyrics)]


@pytest.fixture
def call(song: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Told]:
    """Run a command beside the song and its lyrics."""
    monkeypatch.chdir(song.parent)
    Path("words").mkdir()
    Path("words/song.txt").write_text(TEXT, encoding="utf-8")

    def run(*arguments: str) -> Told:
        options = ["--separator", "none", "--device", "cpu", "--offline", "-f", "json"]
        monkeypatch.setattr(sys, "argv", ["lyricsep", *arguments, *options])
        with pytest.raises(SystemExit) as left:
            main()
        return (left.value.code, *capfd.readouterr())

    return run


def times_in(path: str) -> list[float]:
    lines = json.loads(Path(path).read_text(encoding="utf-8"))["lines"]
    return [word["start"] for line in lines for word in line["words"]]


def test_the_command(folder: Path, call: Callable[..., Told]) -> None:
    code, out, err = call("align", "song.wav", "words/song.txt", "--aligner", f"ctc:{folder}")
    assert (code, out) == (0, "lyrics/song.json\n"), err
    assert "ctc tones (licence cc-by-nc-4.0, not for commercial use)" in err
    assert "Loading" not in err
    assert times_in("lyrics/song.json") == pytest.approx(TRUE, abs=TICK / 2)
    (manifest,) = Path("lyrics").glob(".lyricsep/manifest-*.json")
    document = json.loads(manifest.read_text(encoding="utf-8"))
    assert document["plan"]["aligner"] == f"ctc:{folder}"
    assert {"name": "model.safetensors", "sha256": find_ctc(str(folder)).files[3].sha256} in document["weights"]
    assert document["libraries"]["transformers"] == transformers.__version__


@pytest.mark.slow
def test_a_batch(folder: Path, call: Callable[..., Told]) -> None:
    """A worker of its own loads the model; the results are there when it runs again."""
    command = ("batch", "run", "song.wav", "-o", "timed", "--lyrics", "words", "--aligner", f"ctc:{folder}")
    code, out, err = call(*command)
    assert code == 0, err
    assert "timed/song.json" in out
    assert "not for commercial use" in err
    assert times_in("timed/song.json") == pytest.approx(TRUE, abs=TICK / 2)
    assert "songs: 1, already done: 1" in call(*command)[2]


def test_a_batch_that_transcribes_has_no_aligner(folder: Path, call: Callable[..., Told]) -> None:
    code, _, err = call("batch", "run", "song.wav", "-o", "timed", "--aligner", f"ctc:{folder}")
    assert code == 2
    assert f"--aligner ctc:{folder}: nothing is aligned without --lyrics" in err


def test_python(folder: Path, song: Path) -> None:
    timed = lyricsep.align(song, TEXT, aligner=f"ctc:{folder}", separator="none", device="cpu", offline=True)
    assert starts(timed) == pytest.approx(TRUE, abs=TICK / 2)


def test_a_song_whose_lyrics_cannot_be_spelled_does_not_stop_the_others(folder: Path, song: Path) -> None:
    session = Session(plan_of(folder))
    jobs = [Job(song, known=known(*text.splitlines())) for text in ("очи чёрные", TEXT)]
    failed, done = session.stream(jobs)
    assert "has no letters for 100% of the lyrics" in str(failed.error)
    assert (failed.lyrics, failed.segments) == (Lyrics(), None)
    assert starts(done.unwrap()) == pytest.approx(TRUE, abs=TICK / 2)
