"""Real weights on real singing: a batch is as good as one by one, and one backend as good as the other."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from whisper.decoding import DecodingOptions, decode
from whisper.timing import find_alignment, merge_punctuations
from whisper.tokenizer import get_tokenizer

from lyricsep.segmentation import segment
from lyricsep.transcribers import Clips, WhisperOptions
from lyricsep.transcribers.log_mel import clip_log_mel
from lyricsep.transcribers.whisper import Attempt, DecodedText, WhisperTranscriber
from lyricsep.transcribers.whisper_internals import _NoRepeat

GREEDY = WhisperOptions(mix_back=0.0, no_repeat_ngram_sizes=(), beam_size=1)
RUNNERS = ["openai-whisper", "ctranslate2"]
SUNG = [("de_bonne", 16.0, 20.0), ("Fantasma", 30.0, 34.5), ("Confession", 97.0, 103.0)]
LOOP = ("Fantasma", 48.0, 66.0)  # Whisper base fills its context with it
EXAMPLE = [(4.7, 7.8), (8.0, 14.5), (18.2, 21.5)]  # lines of the example song


@pytest.fixture(scope="module")
def mels(vocals) -> torch.Tensor:
    return torch.stack([clip_log_mel(vocals(*clip), 80) for clip in SUNG])


@pytest.fixture(scope="module")
def example_mels(example) -> torch.Tensor:
    vocals = example[1]
    spans = [slice(round(start * 16_000), round(end * 16_000)) for start, end in EXAMPLE]
    return torch.stack([clip_log_mel(vocals[span], 80) for span in spans])


def french(model) -> object:
    return get_tokenizer(
        model.is_multilingual, num_languages=model.n_languages, language="fr" if model.is_multilingual else None
    )


@pytest.mark.parametrize(
    ("model", "songs", "beam_size", "timestamps"),
    [
        ("base", "mels", 1, True),
        pytest.param("base", "mels", 5, False, marks=pytest.mark.slow),
        ("tiny.en", "example_mels", 1, False),
        ("tiny.en", "example_mels", 5, True),
    ],
)
def test_a_batch_decodes_as_its_clips_one_by_one(real, request, model, songs, beam_size, timestamps) -> None:
    backend, mels = real(model, "openai-whisper"), request.getfixturevalue(songs)
    tokenizer = french(backend)
    options = replace(GREEDY, beam_size=beam_size)
    found = [best for best, *_ in backend.decode(backend.encode(mels), tokenizer, Attempt(0.0, timestamps), options)]
    theirs = DecodingOptions(
        language="fr",
        beam_size=beam_size if beam_size > 1 else None,
        without_timestamps=not timestamps,
        fp16=False,
    )
    assert len({len(hypothesis.tokens) for hypothesis in found}) > 1, "clips that end at different times"
    for hypothesis, mel in zip(found, mels, strict=True):
        expected = decode(backend.model, mel, theirs)
        assert list(hypothesis.tokens) == expected.tokens
        assert hypothesis.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-4)
        assert hypothesis.no_speech_prob == pytest.approx(expected.no_speech_prob, abs=1e-4)


@pytest.mark.parametrize("timestamps", [False, True])
def test_both_backends_write_the_same(real, mels, timestamps) -> None:
    """Greedy, in full precision. Beams may part: CTranslate2 ends and ranks a beam search by rules of its own."""
    ours, theirs = (real("base", runner) for runner in RUNNERS)
    tokenizer = french(ours)
    attempt = Attempt(0.0, timestamps)
    expected = ours.decode(ours.encode(mels), tokenizer, attempt, GREEDY)
    found = theirs.decode(theirs.encode(mels), tokenizer, attempt, GREEDY)
    for (mine,), (other,) in zip(expected, found, strict=True):
        assert mine.tokens == other.tokens
        assert mine.avg_logprob == pytest.approx(other.avg_logprob, abs=1e-3)
        assert mine.no_speech_prob == pytest.approx(other.no_speech_prob, abs=1e-3)


def test_both_backends_write_to_the_end_of_a_full_clip(real, vocals) -> None:
    """Half a minute of quick singing takes more than a quarter of the model's context."""
    mel = clip_log_mel(vocals("de_bonne", 15.96, 43.06), 80)[None]
    found = []
    for runner in RUNNERS:
        backend = real("base", runner)
        ((hypothesis,),) = backend.decode(
            backend.encode(mel), french(backend), Attempt(0.0, timestamps=False), GREEDY
        )
        found.append(hypothesis.tokens)
    assert found[0] == found[1]
    assert len(found[0]) > 448 // 4


@pytest.mark.parametrize(
    ("size", "timestamps"),
    [(3, False), *(pytest.param(*case, marks=pytest.mark.slow) for case in [(3, True), (8, False), (8, True)])],
)
def test_a_loop_says_nothing_twice_where_it_may_not(real, vocals, timestamps, size) -> None:
    mels = torch.stack([clip_log_mel(vocals(*clip), 80) for clip in (LOOP, SUNG[1])])
    found = []
    for runner in RUNNERS:
        backend = real("base", runner)
        tokenizer, features = french(backend), backend.encode(mels)
        (((loop,), (text,)), ((mended,), (same,))) = (
            backend.decode(features, tokenizer, Attempt(0.0, timestamps, n), GREEDY) for n in (0, size)
        )
        assert n_repeated(loop.tokens, size) > 100
        assert n_repeated(mended.tokens, size) == 0
        assert len(mended.tokens) > size
        assert text.tokens == same.tokens, "who does not repeat himself is not disturbed"
        found.append(mended)
    assert found[0].tokens == found[1].tokens
    assert found[0].avg_logprob == pytest.approx(found[1].avg_logprob, abs=1e-3)


def n_repeated(tokens, size: int) -> int:
    runs = [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]
    return len(runs) - len(set(runs))


@given(
    rows=st.lists(st.lists(st.integers(0, 3), min_size=9, max_size=9), min_size=1, max_size=3),
    size=st.integers(2, 4),
    n_prompt=st.integers(0, 9),
)
def test_what_would_repeat_itself_is_forbidden_and_nothing_else(rows, size, n_prompt) -> None:
    logits = torch.zeros(len(rows), 4)
    _NoRepeat(size, n_prompt).apply(logits, torch.tensor(rows))
    for row, found in zip(rows, logits, strict=True):
        text = row[n_prompt:]
        for token in range(4):
            repeats = len(text) >= size and n_repeated([*text, token], size) > n_repeated(text, size)
            assert found[token] == (-torch.inf if repeats else 0)


@pytest.mark.parametrize("runner", RUNNERS)
def test_every_beam_tells_what_it_found(runner: str, real, mels) -> None:
    backend = real("base", runner)
    attempt = Attempt(0.0, timestamps=False)
    for beams in backend.decode(backend.encode(mels), french(backend), attempt, replace(GREEDY, beam_size=3)):
        assert len({hypothesis.tokens for hypothesis in beams}) == 3
        ranks = [hypothesis.avg_logprob * (1 + 1 / len(hypothesis.tokens)) for hypothesis in beams]
        assert ranks == sorted(ranks, reverse=True)


def test_both_backends_hear_the_same_languages(real, mels) -> None:
    ours, theirs = (real("base", runner) for runner in RUNNERS)
    assert ours.n_languages == theirs.n_languages == 99
    pairs = zip(
        ours.language_probabilities(ours.encode(mels)),
        theirs.language_probabilities(theirs.encode(mels)),
        strict=True,
    )
    for mine, other in pairs:
        assert mine == pytest.approx(other, abs=1e-3)
        assert sum(mine.values()) == pytest.approx(1, abs=1e-3)


def test_english_models_hear_english(real, mels) -> None:
    for runner in RUNNERS:
        backend = real("tiny.en", runner)
        assert backend.language_probabilities(backend.encode(mels[:2])) == [{"en": 1.0}] * 2


@pytest.fixture(scope="module")
def sung_example(real, example) -> dict[str, object]:
    """The example song by both backends, its language to be found."""
    mixture, vocals = example
    job = Clips(mixture, vocals, segment(vocals))
    options = replace(GREEDY, word_times=True)
    return {runner: next(WhisperTranscriber(real("base", runner), options).transcribe([job])) for runner in RUNNERS}


def test_both_backends_agree_on_the_example_song(sung_example) -> None:
    ours, theirs = (sung_example[runner] for runner in RUNNERS)
    assert ours.language == theirs.language == "en"
    assert ours.text == theirs.text
    assert "all night long" in ours.text.lower()
    for mine, other in zip(ours.lines, theirs.lines, strict=True):
        assert (mine.start, mine.end) == pytest.approx((other.start, other.end), abs=0.041)
        assert [word.text for word in mine.words] == [word.text for word in other.words]


@pytest.mark.parametrize("runner", RUNNERS)
def test_words_of_the_example_song_are_where_they_are_sung(sung_example, runner) -> None:
    lyrics = sung_example[runner]
    words = [(word.text.lower().strip(",."), word.start) for line in lyrics.lines for word in line.words]
    wheels = [start for text, start in words if text == "wheels"]
    # "All night long the wheels go round": 18.3 to 21.5 and 38.3 to 41.5 s.
    assert [18.9 < start < 20.9 or 38.9 < start < 40.9 for start in wheels] == [True, True]
    assert lyrics.lines[0].start == pytest.approx(4.79, abs=0.3)


@pytest.mark.parametrize(
    ("song", "language", "span", "word", "start"),
    [("de_bonne", "fr", (44.0, 58.0), "Même", 47.21), ("Veränderung", "de", (50.0, 60.0), "Es", 54.33)],
)
def test_a_first_word_does_not_reach_back_over_a_silence(
    real, vocals, mixture, song, language, span, word, start
) -> None:
    """As it was decoded, the word would take the silence before it and start 1.0 or 1.3 s early."""
    voice, sound = (each(song, *span) for each in (vocals, mixture))
    job = Clips(sound[: len(voice)], voice[: len(sound)], segment(voice), language)
    options = replace(GREEDY, beam_size=5, mix_back=0.3)
    (lyrics,) = WhisperTranscriber(real("base", "openai-whisper"), options).transcribe([job])
    starts = [line.start + span[0] for line in lyrics.lines if line.words[0].text == word]
    assert starts[0] == pytest.approx(start, abs=0.3)


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("timestamps", [False, True])
def test_words_stay_in_their_line_and_lines_in_their_segment(real, vocals, mixture, runner, timestamps) -> None:
    voice, song = (sound("de_bonne", 93.0, 101.0) for sound in (vocals, mixture))
    job = Clips(song[: len(voice)], voice[: len(song)], segment(voice), "fr")
    options = replace(GREEDY, timestamps=timestamps, word_times=True, mix_back=0.3)
    for lyrics in WhisperTranscriber(real("base", runner), options).transcribe([job]):
        assert lyrics.lines
        assert [line.start for line in lyrics.lines] == sorted(line.start for line in lyrics.lines)
        for line in lyrics.lines:
            assert any(s.start <= line.start <= line.end <= s.end for s in lyrics.segments)
            assert line.words
            assert " ".join(word.text for word in line.words).replace(" ", "") == line.text.replace(" ", "")
            times = [time for word in line.words for time in (word.start, word.end)]
            assert [line.start, *times, line.end] == sorted([line.start, *times, line.end])
            assert all(0 <= word.probability <= 1 for word in line.words)


@pytest.mark.parametrize("is_spelled", [True, False])
def test_words_are_those_of_openai_whisper_and_unspelled_their_times_too(real, mels, is_spelled, monkeypatch) -> None:
    """The same, from features that are encoded already."""
    backend = real("base", "openai-whisper")
    if not is_spelled:
        monkeypatch.setattr(type(backend), "n_text_tokens", 0)  # as if no text were short enough
    tokenizer = french(backend)
    mels = mels[:2]
    features = backend.encode(mels)
    hypotheses = backend.decode(features, tokenizer, Attempt(0.0, timestamps=False), GREEDY)
    model = backend.model
    mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    for layer, head in backend._heads:
        mask[layer, head] = True
    compared, earlier = 0, []
    texts = [list(hypothesis.tokens) for (hypothesis,) in hypotheses]
    aligned = backend.align(features, tokenizer, texts, [300] * len(texts))
    for mel, tokens, found in zip(mels, texts, aligned, strict=True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(model._buffers, "alignment_heads", mask.to_sparse())
            expected = find_alignment(model, tokenizer, tokens, mel, 300)
        merge_punctuations(expected, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
        expected = [word for word in expected if word.tokens]
        for word, other in zip(found, expected, strict=True):
            assert list(word.tokens) == other.tokens
            earlier.append(other.start < word.start - 1e-6)
            if not is_spelled:
                assert word.start == pytest.approx(other.start, abs=1e-6)
                # Whisper's word ends before its punctuation, ours after.
                assert other.end <= word.end + 1e-6
                assert not other.word[-1].isalnum() or word.end == pytest.approx(other.end, abs=1e-6)
            assert word.probability == pytest.approx(other.probability, abs=1e-4)
            compared += 1
    assert compared > 10
    assert sum(earlier) > compared / 2 if is_spelled else not any(earlier)


def test_both_backends_time_words_alike(real, example_mels) -> None:
    ours, theirs = (real("tiny.en", runner) for runner in RUNNERS)
    tokenizer = french(ours)
    features = ours.encode(example_mels)
    texts = [best.tokens for best, *_ in ours.decode(features, tokenizer, Attempt(0.0, timestamps=False), GREEDY)]
    lengths = [round(100 * (end - start)) for start, end in EXAMPLE]
    mine, others = (
        [word for words in one.align(one.encode(example_mels), tokenizer, texts, lengths) for word in words]
        for one in (ours, theirs)
    )
    assert len(mine) > 15
    assert [word.tokens for word in mine] == [word.tokens for word in others]
    for name in ("start", "end"):
        assert [getattr(w, name) for w in mine] == pytest.approx([getattr(w, name) for w in others], abs=0.021)
    assert [w.probability for w in mine] == pytest.approx([w.probability for w in others], abs=1e-3)


@pytest.mark.parametrize("runner", RUNNERS)
def test_languages_without_spaces_are_aligned_by_character(real, mels, runner) -> None:
    backend = real("base", runner)
    tokenizer = get_tokenizer(True, language="ja", task="transcribe")
    tokens = tokenizer.encode("今日は、夜の電車。")
    (words,) = backend.align(backend.encode(mels[:1]), tokenizer, [tokens], [550])
    assert [token for word in words for token in word.tokens] == tokens
    texts = [tokenizer.decode(list(word.tokens)) for word in words]
    assert "".join(texts) == "今日は、夜の電車。"
    assert len(texts) > 3
    times = [time for word in words for time in (word.start, word.end)]
    assert times == sorted(times)


# Chance


def sample(backend, features: torch.Tensor, seed: int, best_of: int = 2) -> list[list[DecodedText]]:
    backend.seed(seed)
    options = replace(GREEDY, best_of=best_of)
    return backend.decode(features, french(backend), Attempt(1.0, timestamps=False), options)


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_seed_repeats_what_was_sampled_whatever_came_before(runner: str, real, example_mels) -> None:
    backend = real("tiny.en", runner)
    features = backend.encode(example_mels)
    first = sample(backend, features, 1)
    assert sample(backend, features, 1) == first
    assert sample(backend, features, 2) != first


@pytest.mark.parametrize("runner", RUNNERS)
def test_samples_come_with_the_most_probable_first(runner: str, real, example_mels) -> None:
    backend = real("tiny.en", runner)
    for samples in sample(backend, backend.encode(example_mels), 1, best_of=3):
        chances = [hypothesis.avg_logprob for hypothesis in samples]
        assert len(chances) == 3
        assert chances == sorted(chances, reverse=True)
        assert len({hypothesis.tokens for hypothesis in samples}) > 1
        assert len({hypothesis.no_speech_prob for hypothesis in samples}) == 1


def test_samples_are_those_of_openai_whisper(real, example_mels) -> None:
    backend = real("tiny.en", "openai-whisper")
    (samples,) = sample(backend, backend.encode(example_mels[:1]), 3, best_of=4)
    torch.manual_seed(3)
    theirs = DecodingOptions(language="en", temperature=1.0, best_of=4, without_timestamps=True, fp16=False)
    expected = decode(backend.model, example_mels[0], theirs)
    # They rank by the mean without the end of the text, and tell the mean with it.
    (found,) = [hypothesis for hypothesis in samples if list(hypothesis.tokens) == expected.tokens]
    assert found.avg_logprob == pytest.approx(expected.avg_logprob, abs=1e-5)


@pytest.mark.parametrize("n_threads", [1, 3])
def test_workers_of_a_model_change_nothing(real, mels, n_threads, monkeypatch) -> None:
    from lyricsep.transcribers.ctranslate2 import CTranslate2Whisper

    backend = real("base", "ctranslate2")
    n_before = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    other = CTranslate2Whisper("other", backend._folder, torch.device("cpu"), "float32")
    monkeypatch.undo()
    assert torch.get_num_threads() == n_before, "the separators' threads"
    features = backend.encode(mels)
    torch.testing.assert_close(other.encode(mels), features, atol=1e-5, rtol=0)
    tokenizer, attempt = french(backend), Attempt(0.0, timestamps=False)
    expected, found = (one.decode(features, tokenizer, attempt, GREEDY) for one in (backend, other))
    assert [best.tokens for (best,) in found] == [best.tokens for (best,) in expected]
    texts = [best.tokens for (best,) in expected]
    lengths = [200, 225, 300]
    assert other.align(features, tokenizer, texts, lengths) == backend.align(features, tokenizer, texts, lengths)
    assert sample(other, features, 5) == sample(backend, features, 5)
