"""Many songs, one batch: who is decoded with whom, how often, and what comes back. Heard by a fake that tells all."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lyricsep.errors import ConfigError
from lyricsep.languages import language_code
from lyricsep.lyrics import Segment
from lyricsep.transcribers import Clips, WhisperOptions
from lyricsep.transcribers.guard import confidence_of
from lyricsep.transcribers.whisper import N_VOTERS, Attempt, WhisperTranscriber

ONCE = WhisperOptions(mix_back=0.0, batch_size=4)
WITH_FALLBACK = WhisperOptions(mix_back=0.0, no_repeat_ngram_sizes=(), temperatures=(0.0, 0.2, 0.4), batch_size=8)
LADDER = ((0.0, 0), (0.0, 8), (0.0, 3), (0.6, 0))  # temperatures, and how many tokens may not come twice


def expected(clips) -> str:
    return "\n".join(f"clip {clip}" for clip in clips)


def clips_of(backend) -> list[tuple[int, ...]]:
    return [call.clips for call in backend.calls]


# Batches


def test_songs_share_batches_and_come_back_in_order(fake, song) -> None:
    backend = fake()
    songs = [[20, 21], [], [22], [23, 24, 25, 26, 27], []]
    found = list(WhisperTranscriber(backend, ONCE).transcribe(map(song, songs)))
    assert [lyrics.text for lyrics in found] == [expected(clips) for clips in songs]
    assert clips_of(backend) == [(20, 21, 22, 23), (24, 25, 26, 27)]
    assert [lyrics.language for lyrics in found] == ["en", None, "en", "en", None]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 4), max_size=4), st.integers(1, 5))
def test_every_batch_but_the_last_is_full(fake, song, sizes, batch_size) -> None:
    backend = fake()
    names = iter(range(20, 60))
    songs = [list(islice(names, size)) for size in sizes]
    options = WhisperOptions(mix_back=0.0, temperatures=(0.0,), batch_size=batch_size)
    found = list(WhisperTranscriber(backend, options).transcribe(map(song, songs)))
    assert [lyrics.text for lyrics in found] == [expected(clips) for clips in songs]
    n_clips = sum(sizes)
    full, rest = divmod(n_clips, batch_size)
    assert [len(call.clips) for call in backend.calls] == [batch_size] * full + [rest] * (rest > 0)
    assert backend.n_encoded == n_clips


def test_a_song_without_vocals_is_a_result(fake, song) -> None:
    backend = fake()
    (lyrics,) = WhisperTranscriber(backend, ONCE).transcribe([song([])])
    assert (lyrics.lines, lyrics.segments, lyrics.language, lyrics.text) == ((), (), None, "")
    assert lyrics.duration == 1.0
    assert backend.calls == []


def test_jobs_are_taken_when_they_are_needed(fake, song) -> None:
    taken = []

    def endless():
        for i in count():
            taken.append(i)
            yield song([20 + i % 40, 21 + i % 30])

    found = WhisperTranscriber(fake(), ONCE).transcribe(endless())
    assert taken == []
    next(found)
    assert taken == [0, 1]  # two songs fill a batch of four
    next(found)
    assert taken == [0, 1]
    next(found)
    assert taken == [0, 1, 2, 3]


def test_a_song_waits_for_nobody_once_it_is_done(fake, song) -> None:
    taken = []
    jobs = (taken.append(i) or song([20] * 4) for i in range(3))
    next(WhisperTranscriber(fake(), ONCE).transcribe(jobs))
    assert taken == [0]


def test_segments_of_one_start_are_all_kept(fake, song) -> None:
    job = song([20, 21])
    twice = Clips(job.mixture, job.vocals, [Segment(0, 0.5), Segment(0, 1), Segment(0, 1), Segment(1.5, 2.5)], "en")
    (lyrics,) = WhisperTranscriber(fake(), ONCE).transcribe([twice])
    assert lyrics.text == expected([20, 20, 20, 21])
    assert len(lyrics.decodings) == len(lyrics.segments) == 4


def test_segments_out_of_order_come_back_in_order(fake, song) -> None:
    job = song([20, 21, 22])
    shuffled = Clips(job.mixture, job.vocals, [job.segments[i] for i in (2, 0, 1)], "en")
    (lyrics,) = WhisperTranscriber(fake(), ONCE).transcribe([shuffled])
    assert lyrics.text == expected([20, 21, 22])
    assert list(lyrics.segments) == list(job.segments)


def test_the_shortest_of_segments(fake, song) -> None:
    job = song([20])
    options = WhisperOptions(mix_back=0.0, word_times=True)
    for span in (Segment(0.5, 0.5), Segment(0.5, 0.505), Segment(2.4, 9.0)):
        (lyrics,) = WhisperTranscriber(fake(), options).transcribe([Clips(job.mixture, job.vocals, [span], "en")])
        assert all(span.start <= word.start <= word.end <= span.end for line in lyrics.lines for word in line.words)
        assert lyrics.text


def test_progress_rises_to_one(fake, song) -> None:
    shares = []
    jobs = [song([20, 21, 22], on_progress=shares.append), song([23], on_progress=lambda share: None)]
    list(WhisperTranscriber(fake(), ONCE).transcribe(jobs))
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


# Languages


def test_a_batch_speaks_one_language(fake, song) -> None:
    backend = fake()
    languages = {20: "fr", 21: "en", 22: "fr", 23: "de"}
    jobs = [song([clip], language=language) for clip, language in languages.items()]
    found = list(WhisperTranscriber(backend, ONCE).transcribe(jobs))
    assert [lyrics.text for lyrics in found] == [f"clip {clip}" for clip in languages]
    assert [lyrics.language for lyrics in found] == list(languages.values())
    assert [(call.clips, call.language) for call in backend.calls] == [((20, 22), "fr"), ((21,), "en"), ((23,), "de")]
    assert backend.voters == []


def test_segments_vote_with_their_length(fake, song) -> None:
    backend = fake(ballots={20: {"en": 0.9, "fr": 0.1}, 21: {"en": 0.9, "fr": 0.1}, 22: {"en": 0.4, "fr": 0.6}})
    short = song([20, 21, 22], language=None)
    long = song([20, 21, 22], durations=[1, 1, 10], language=None)
    found = list(WhisperTranscriber(backend, ONCE).transcribe([short, long]))
    # 1.8 + 0.4 against 0.2 + 0.6, and 1.8 + 4 against 0.2 + 6.
    assert [lyrics.language for lyrics in found] == ["en", "fr"]
    assert backend.n_encoded == 6, "what voted is not encoded again"


def test_some_of_many_segments_vote(fake, song) -> None:
    clips = range(20, 40)
    backend = fake(ballots={clip: {"fr": 1.0} for clip in clips})
    (lyrics,) = WhisperTranscriber(backend, ONCE).transcribe([song(clips, durations=[0.2] * 20, language=None)])
    assert lyrics.language == "fr"
    assert N_VOTERS / 2 < len(backend.voters) <= N_VOTERS
    assert backend.n_encoded == 20


def test_an_english_model_transcribes_english(fake, song) -> None:
    backend = fake(is_multilingual=False)
    jobs = [song([20], language="fr"), song([21], language=None), song([22], language="en")]
    found = list(WhisperTranscriber(backend, ONCE).transcribe(jobs))
    assert [(lyrics.text, lyrics.language) for lyrics in found] == [(f"clip {clip}", "en") for clip in (20, 21, 22)]
    assert clips_of(backend) == [(20, 21, 22)]
    assert backend.voters == []


@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("yue", r"fake does not know Yue Chinese \(yue\); choose another model, such as model='large-v3'"),
        ("zulu", r"Whisper does not know Zulu \(zu\); leave language out"),
        ("xx", "no language is called 'xx'"),
        ("", "no language is called ''"),
    ],
)
def test_a_language_the_model_does_not_know(fake, song, language, message) -> None:
    with pytest.raises(ConfigError, match=message):
        list(WhisperTranscriber(fake(), ONCE).transcribe([song([20], language=language)]))


@pytest.mark.parametrize(("language", "code"), [("French", "fr"), ("jv", "jw"), ("pt-BR", "pt"), ("Norwegian", "no")])
def test_whisper_is_given_its_own_codes(fake, song, language, code) -> None:
    backend = fake()
    (lyrics,) = WhisperTranscriber(backend, ONCE).transcribe([song([20], language=language)])
    assert (backend.calls[0].language, lyrics.language) == (code, language_code(language))


def test_a_newer_model_knows_cantonese(fake, song) -> None:
    backend = fake(n_languages=100)
    (lyrics,) = WhisperTranscriber(backend, ONCE).transcribe([song([20], language="yue")])
    assert lyrics.language == backend.calls[0].language == "yue"


# Memory


class Small:
    """A backend that holds so many clips at a time."""

    def __init__(self, backend, capacity: int, message: str = "CUDA failed with error out of memory") -> None:
        self._backend, self._capacity, self._message = backend, capacity, message

    def __getattr__(self, name: str):
        return getattr(self._backend, name)

    def _take(self, features) -> None:
        if len(features) > self._capacity:
            raise RuntimeError(self._message)

    def language_probabilities(self, features):
        self._take(features)
        return self._backend.language_probabilities(features)

    def decode(self, features, tokenizer, attempt, options):
        self._take(features)
        return self._backend.decode(features, tokenizer, attempt, options)


def test_a_batch_that_does_not_fit_is_halved_for_good(fake, song, caplog) -> None:
    backend = fake()
    transcriber = WhisperTranscriber(Small(backend, 2), replace(ONCE, batch_size=8))
    found = list(transcriber.transcribe([song(range(20, 29)), song([30, 31, 32])]))
    assert [lyrics.text for lyrics in found] == [expected(range(20, 29)), expected([30, 31, 32])]
    assert [len(call.clips) for call in backend.calls] == [2] * 6
    assert [record.getMessage() for record in caplog.records] == [
        f"fake: out of memory, continuing with batches of {size}" for size in (4, 2)
    ]
    assert [decoding.attempts for lyrics in found for decoding in lyrics.decodings] == [1] * 12


def test_voters_that_do_not_fit_vote_in_smaller_batches(fake, song, caplog) -> None:
    clips = range(20, 27)
    # The last ones decide: a batch that was counted twice, or never, would change the language.
    backend = fake(ballots={clip: {"fr": 0.6} if clip > 23 else {"en": 0.4} for clip in clips})
    transcriber = WhisperTranscriber(Small(backend, 3), replace(ONCE, batch_size=8))
    (lyrics,) = transcriber.transcribe([song(clips, language=None)])
    assert (lyrics.language, lyrics.text) == ("fr", expected(clips))
    assert backend.voters == list(clips)
    assert [record.getMessage() for record in caplog.records] == ["fake: out of memory, continuing with batches of 3"]


@pytest.mark.parametrize(
    "wanted", [{"clips": [20, 21]}, {"clips": [20], "language": None}, {"clips": [20], "whole": True}]
)
def test_one_segment_that_does_not_fit(fake, song, wanted) -> None:
    with pytest.raises(ConfigError, match=r"fake: one segment does not fit in .*device='cpu'"):
        list(WhisperTranscriber(Small(fake(), 0), ONCE).transcribe([song(**wanted)]))


def test_other_failures_of_a_backend_are_told(fake, song) -> None:
    with pytest.raises(RuntimeError, match="no kernel"):
        list(WhisperTranscriber(Small(fake(), 0, "no kernel"), ONCE).transcribe([song([20, 21])]))


# Fallback


def test_only_loops_are_decoded_again(fake, song, said) -> None:
    def say(clip, share, attempt):
        if clip in (21, 22) and attempt == first:
            return said("la la " * 50)
        if clip == 21 and attempt != last:
            return said("guess", -1.5)
        return said(f"clip {clip}", -1.2 if clip == 23 else -0.3)

    first, second, third, last = (Attempt(t, timestamps=False, no_repeat_ngram_size=n) for t, n in LADDER)
    backend = fake(say)
    options = replace(WITH_FALLBACK, no_repeat_ngram_sizes=(8, 3), temperatures=(0.0, 0.6))
    (lyrics,) = WhisperTranscriber(backend, options).transcribe([song([20, 21, 22, 23])])
    assert [(call.attempt, call.clips) for call in backend.calls] == [
        (first, (20, 21, 22, 23)),
        (second, (21, 22)),
        (third, (21,)),
        (last, (21,)),
    ]
    assert lyrics.text == expected([20, 21, 22, 23])
    assert [(d.temperature, d.no_repeat_ngram_size, d.attempts, d.flags) for d in lyrics.decodings] == [
        (0.0, 0, 1, ()),
        (0.6, 0, 4, ()),
        (0.0, 8, 2, ()),
        (0.0, 0, 1, ("low-confidence",)),
    ]
    assert backend.n_encoded == 4, "what is decoded again is not encoded again"


def test_another_beam_that_does_not_loop_is_taken_at_once(fake, song, said) -> None:
    loop = ("la la " * 50).strip()
    backend = fake(lambda clip, share, attempt: [said(loop, -0.1), said("guess", -1.2), said("sung", -0.6)])
    (lyrics,) = WhisperTranscriber(backend, WhisperOptions(mix_back=0.0)).transcribe([song([20])])
    assert lyrics.text == "sung"
    assert (len(backend.calls), lyrics.decodings[0].attempts) == (1, 1)


def test_of_samples_the_most_probable_that_passes_is_taken(fake, song, said) -> None:
    answers = {
        0.0: said("la la " * 50),
        0.2: [said("la la " * 50, -0.1), said("sung", -0.6), said("sunk", -0.7), said("", -1.5)],
    }
    backend = fake(lambda clip, share, attempt: answers[attempt.temperature])
    (lyrics,) = WhisperTranscriber(backend, WITH_FALLBACK).transcribe([song([20])])
    assert lyrics.text == "sung"
    assert (lyrics.decodings[0].attempts, lyrics.decodings[0].temperature) == (2, 0.2)


def test_a_whole_song_knows_the_most_probable_sample_alone(fake, song, said) -> None:
    loop = ("la la " * 50).strip()
    answers = {0.0: said("guess", -1.2), 0.2: [said(loop, -0.1), said("sung", -0.6)], 0.4: said("last", -0.5)}
    backend = fake(lambda clip, share, attempt: answers[attempt.temperature])
    (lyrics,) = WhisperTranscriber(backend, WITH_FALLBACK).transcribe([song([20], whole=True)])
    assert lyrics.text == "last"


def test_the_least_bad_is_kept_and_flagged(fake, song, said) -> None:
    answers = {0.0: said("la la " * 50), 0.2: said("least bad", -1.2), 0.4: said("bad", -2.0)}
    (lyrics,) = WhisperTranscriber(fake(lambda c, s, a: answers[a.temperature]), WITH_FALLBACK).transcribe(
        [song([20])]
    )
    assert lyrics.text == "least bad"
    assert lyrics.decodings[0].flags == ("low-confidence",)
    assert lyrics.lines[0].flags == ("low-confidence", "invented")
    assert (lyrics.decodings[0].attempts, lyrics.decodings[0].temperature) == (3, 0.2)


def test_a_loop_is_kept_only_if_there_is_nothing_else(fake, song, said) -> None:
    loop = ("la la " * 50).strip()
    answers = {0.0: said(loop, -0.1), 0.2: said("guess", -2.0), 0.4: said(loop, -0.1)}
    (lyrics,) = WhisperTranscriber(fake(lambda c, s, a: answers[a.temperature]), WITH_FALLBACK).transcribe(
        [song([20])]
    )
    assert lyrics.text == "guess"
    backend = fake(lambda c, s, a: said(loop, -0.1))
    (lyrics,) = WhisperTranscriber(backend, WITH_FALLBACK).transcribe([song([20])])
    assert lyrics.text.split() == loop.split()
    assert lyrics.lines
    assert {line.flags for line in lyrics.lines} == {lyrics.decodings[0].flags} == {("loop",)}


def test_the_model_hears_the_share_that_was_asked_for(fake, song) -> None:
    backend = fake()
    list(WhisperTranscriber(backend, WhisperOptions(mix_back=0.3, temperatures=(0.0,))).transcribe([song([20, 21])]))
    assert [(call.clips, call.shares) for call in backend.calls] == [((20, 21), (0.3, 0.3))]


def test_what_nobody_said_is_no_line(fake, song, said) -> None:
    (lyrics,) = WhisperTranscriber(fake(lambda c, s, a: said("")), ONCE).transcribe([song([20])])
    assert lyrics.lines == ()
    assert lyrics.language == "en"
    assert len(lyrics.segments) == len(lyrics.decodings) == 1
    assert lyrics.decodings[0].flags == ()


# Lines and words


@pytest.mark.parametrize("timestamps", [False, True])
@pytest.mark.parametrize("word_times", [False, True])
def test_words_are_in_lines_but_of_phrases_only_where_asked_for(fake, song, timestamps, word_times) -> None:
    options = WhisperOptions(mix_back=0.0, timestamps=timestamps, word_times=word_times)
    (lyrics,) = WhisperTranscriber(fake(), options).transcribe([song([20, 21])])
    assert lyrics.text == expected([20, 21])
    assert [[word.text for word in line.words] for line in lyrics.lines] == (
        [["clip", "20"], ["clip", "21"]] if word_times or not timestamps else [[], []]
    )


def test_silence_is_no_part_of_the_first_and_the_last_word(fake, said) -> None:
    """The alignment gives all of the clip to its words; the first is sung at its end, the others at their start."""
    vocals = np.zeros(12 * 16_000, np.float32)
    for start, end in ((1.0, 1.2), (5.0, 6.0), (6.0, 7.0), (9.8, 10.0)):
        vocals[round(start * 16_000) : round(end * 16_000)] = 0.1
    job = Clips(vocals, vocals, [Segment(0, 12)], "en")
    options = WhisperOptions(mix_back=0.0, word_times=True)
    (lyrics,) = WhisperTranscriber(fake(lambda c, s, a: said("one two")), options).transcribe([job])
    words = [word for line in lyrics.lines for word in line.words]
    # The fake shares the time out: 0 to 6 s and 6 to 12 s.
    assert [(word.text, word.start, word.end) for word in words] == [
        ("one", pytest.approx(5.0), pytest.approx(6.0)),
        ("two", pytest.approx(6.0), pytest.approx(7.0)),
    ]


def test_a_line_over_silence_is_flagged_among_others(fake, said) -> None:
    vocals = np.zeros(8 * 16_000, np.float32)
    vocals[: 3 * 16_000] = 0.1
    job = Clips(vocals, vocals, [Segment(0, 8)], "en")
    backend = fake(lambda c, s, a: said("this is what is sung over here. But all of this is not sung there.", -0.2))
    (lyrics,) = WhisperTranscriber(backend, WhisperOptions(mix_back=0.0)).transcribe([job])
    assert [(line.text, line.flags) for line in lyrics.lines] == [
        ("this is what is sung over here.", ()),
        ("But all of this is not sung there.", ("over-silence",)),
    ]
    assert lyrics.decodings[0].flags == ()


@pytest.mark.parametrize(
    ("logprob", "flags"), [(-0.2, ()), (-0.8, ("low-confidence",)), (-0.99, ("low-confidence", "invented"))]
)
def test_a_line_whose_words_are_probably_wrong_is_flagged(fake, song, said, logprob, flags) -> None:
    backend = fake(lambda c, s, a: said("one two", avg_logprob=logprob))
    (lyrics,) = WhisperTranscriber(backend, ONCE).transcribe([song([20])])
    (line,) = lyrics.lines
    expected = [confidence_of(word.probability, logprob) for word in line.words]
    assert line.confidence == pytest.approx(sum(expected) / 2)
    assert line.flags == flags
    assert lyrics.decodings[0].flags == ()


def test_tokens_that_are_neither_text_nor_time_say_nothing(fake, song) -> None:
    backend = fake()
    decode = backend.decode

    def with_a_language(features, tokenizer, attempt, options):
        found = decode(features, tokenizer, attempt, options)
        return [[replace(h, tokens=(tokenizer.sot + 1, *h.tokens)) for h in own] for own in found]

    backend.decode = with_a_language
    for timestamps in (False, True):
        options = WhisperOptions(mix_back=0.0, timestamps=timestamps, word_times=True)
        (lyrics,) = WhisperTranscriber(backend, options).transcribe([song([20])])
        assert lyrics.text == "clip 20"


# Whole songs


def test_whole_songs_go_between_songs_of_segments(fake, song) -> None:
    backend = fake(ballots={22: {"de": 1.0}})
    jobs = [song([20, 21]), song([22], whole=True, language=None), song([23])]
    found = list(WhisperTranscriber(backend, ONCE).transcribe(jobs))
    assert [lyrics.text for lyrics in found] == [expected([20, 21]), "clip 22", "clip 23"]
    assert [lyrics.language for lyrics in found] == ["en", "de", "en"]
    assert found[1].segments == (Segment(0.0, found[1].duration),)


def test_silent_windows_of_a_whole_song_are_passed_over(fake, song, said) -> None:
    backend = fake(lambda clip, share, attempt: said("Thank you", -1.5, 0.9))
    (lyrics,) = WhisperTranscriber(backend, WITH_FALLBACK).transcribe([song([20], whole=True)])
    assert lyrics.lines == ()
    assert len(backend.calls) == 1, "silence is no failure"


def test_a_whole_song_falls_back_and_keeps_the_last(fake, song, said) -> None:
    answers = {0.0: said("first", -1.2), 0.2: said("second", -1.5), 0.4: said("third", -1.3)}
    backend = fake(lambda clip, share, attempt: answers[attempt.temperature])
    (lyrics,) = WhisperTranscriber(backend, WITH_FALLBACK).transcribe([song([20], whole=True)])
    assert lyrics.text == "third"
    assert (lyrics.decodings[0].temperature, lyrics.decodings[0].attempts) == (0.4, 3)
    assert lyrics.lines[0].flags == ("low-confidence", "invented")


def test_a_whole_song_without_a_sample(fake) -> None:
    nothing = np.zeros(0, np.float32)
    (lyrics,) = WhisperTranscriber(fake(), ONCE).transcribe([Clips(nothing, nothing, None, "en")])
    assert (lyrics.lines, lyrics.duration, lyrics.language) == ((), 0.0, None)
