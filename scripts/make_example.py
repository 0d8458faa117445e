"""Makes the example song of ``data/example``: a synthesised voice sings our own words to a synthesised band.

Words, melody, chords and tempo are data at the top and the rest is arithmetic, so the times of the lines are
exact and the song may be given away. eSpeak NG speaks each line and tells when each phoneme begins; the WORLD
vocoder stretches the vowels to the notes and puts the speech on the melody; the band is sums of sines and
filtered noise. The same versions on the same kind of machine give the same PCM.

    pip install -e . numpy==2.4.6 soxr==1.1.0 espeakng-loader==0.2.4 pyworld-prebuilt==0.3.6.post1
    python scripts/make_example.py --output data/example

eSpeak NG is GPL-3.0 software that is only run here; the sound it makes is not covered by that licence.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from lyricsep.files import replacing, write_text
from lyricsep.formats import write_lyrics
from lyricsep.lyrics import Line, Lyrics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float64]

# ---------------------------------------------------------------- the song as data

NAME = "night_train"
TITLE = "Night Train"
SAMPLE_RATE = 44100
BEAT = 60 / 144
BAR = 4 * BEAT
TAIL = 1.2  # seconds in which the last chord rings


@dataclass(frozen=True)
class SungLine:
    """A line of the song.

    Parameters
    ----------
    text : str
        The words as they are printed.
    bar : int
        The bar whose first beat is beat 0 of the melody.
    melody : str
        One ``NOTE:BEAT`` per syllable, the beat being where its vowel begins (negative for an upbeat), then
        ``|`` and the beat on which the last note ends.
    """

    text: str
    bar: int
    melody: str


VERSE_TUNE_1 = "D3:-0.5 G3:0 G3:1 B3:1.5 A3:2.5 B3:3 A3:4 G3:4.5 | 6.5"
VERSE_TUNE_2 = "E3:-0.5 G3:0 G3:1 B3:1.5 A3:2.5 G3:3 F#3:4 A3:4.5 | 6.5"
VERSE_TUNE_3 = "G3:-0.5 C4:0 C4:1 B3:1.5 A3:2.5 G3:3 A3:4 B3:4.5 | 6.5"
VERSE_TUNE_4 = "A3:-0.5 A3:0 B3:1 C4:1.5 B3:2.5 A3:3 A3:4 G3:4.5 | 6.5"
CHORUS_TUNE_1 = "C4:0 E4:1.5 D4:3 C4:4 B3:4.5 A3:5.5 B3:6 | 7.5"
CHORUS_TUNE_2 = "D4:0 D4:1 C4:1.5 B3:2.5 A3:3 F#3:4.5 G3:5 | 7"

LINES = (
    SungLine("I left my home, I ride the train,", 3, VERSE_TUNE_1),
    SungLine("The streets were shining in the rain,", 5, VERSE_TUNE_2),
    SungLine("The city lights are far behind,", 7, VERSE_TUNE_3),
    SungLine("With only morning on my mind.", 9, VERSE_TUNE_4),
    SungLine("All night long the wheels go round,", 11, CHORUS_TUNE_1),
    SungLine("Through the valley, through the town.", 13, CHORUS_TUNE_2),
    SungLine("The sun is rising from the sea,", 19, VERSE_TUNE_1),
    SungLine("And you are waiting there for me.", 21, VERSE_TUNE_4),
    SungLine("All night long the wheels go round,", 23, CHORUS_TUNE_1),
    SungLine("Through the valley, through the town.", 25, CHORUS_TUNE_2),
)

# One chord a bar.
INTRO, BREAK, OUTRO = ("G", "C", "D"), ("G", "D", "Em", "C"), ("C", "G")
VERSE_1, VERSE_2 = ("G", "C", "Em", "D", "C", "G", "D", "G"), ("G", "C", "D", "G")
CHORUS = ("C", "G", "D", "G")
CHORDS = INTRO + VERSE_1 + CHORUS + BREAK + VERSE_2 + CHORUS + OUTRO
HOOK_BARS = (0, 1, 2, 15, 16, 17, 18, 27)
CHORD_NOTES = {
    "G": ("G2", "B3", "D4", "G4"),
    "C": ("C2", "C4", "E4", "G4"),
    "D": ("D2", "A3", "D4", "F#4"),
    "Em": ("E2", "B3", "E4", "G4"),
}

# Loudness in dB: the voice leads, the band is far from silent.
VOICE_DBFS = -19.0
BAND_DBFS = -22.0

MP3_BIT_RATE = 112_000
OGG_COMPRESSION = 0.3


@dataclass(frozen=True)
class TimedLine:
    """When a line is sung: from its first phoneme to the end of its last one, in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Song:
    """The finished song: int16 PCM of shape (2, n_samples) at `SAMPLE_RATE`, on one clock with the lines."""

    mixture: NDArray[np.int16]
    vocals: NDArray[np.int16]
    lines: tuple[TimedLine, ...]


def frequency(note: str) -> float:
    """Hertz of a note such as ``F#3``, equal temperament, A4 = 440 Hz."""
    semitone = {"C": -9, "D": -7, "E": -5, "F": -4, "G": -2, "A": 0, "B": 2}[note[0]] + note.count("#")
    return float(440.0 * 2 ** (semitone / 12 + int(note[-1]) - 4))


def parse_melody(line: SungLine) -> tuple[list[float], list[float]]:
    """Read a line's melody.

    Returns
    -------
    frequencies : list of float
        Hertz, one a syllable.
    times : list of float
        Seconds at which the vowels begin, then the second at which the last note ends.
    """
    notes, _, last_beat = line.melody.partition("|")
    pairs = [item.split(":") for item in notes.split()]
    beats = [float(beat) for _, beat in pairs] + [float(last_beat)]
    return [frequency(note) for note, _ in pairs], [line.bar * BAR + beat * BEAT for beat in beats]


# ----------------------------------------------------------------------- the voice

# Rate in words a minute and pitch on eSpeak's scale: of those tried, the clearest after a separator has been at it.
SPEECH_RATE = 150
SPEECH_PITCH = 50
FRAME_PERIOD = 0.005  # seconds
GLIDE = 0.07  # seconds from note to note
VIBRATO_RATE = 5.6  # hertz
# Deep and early: by its vibrato a separator knows a voice. Against 22 cents after 0.22 s this lifts the vocals that
# Spleeter recovers by 5 dB.
VIBRATO_CENTS = 42.0
VIBRATO_DELAY = 0.05

# Vowels of eSpeak's English phoneme names begin with one of these.
_VOWEL_LETTERS = frozenset("aAeEiIoOuUV03@")


@dataclass(frozen=True)
class Phoneme:
    """A spoken phoneme: eSpeak's name and its place in the speech, in seconds."""

    name: str
    start: float
    end: float

    @property
    def is_vowel(self) -> bool:
        """Whether it carries a syllable."""
        return self.name.lstrip("',")[:1] in _VOWEL_LETTERS


class _Event(ctypes.Structure):
    """``espeak_EVENT`` of speak_lib.h; `name` is the phoneme member of its union."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("name", ctypes.c_char * 8),
    )


# Constants of speak_lib.h.
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_PHONEME_EVENTS = 1
_CHARS_UTF8 = 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_EVENT_TERMINATED, _EVENT_PHONEME = 0, 7


class Speaker:
    """eSpeak NG's American English voice, without intonation, from the shared library of espeakng-loader."""

    def __init__(self) -> None:
        import espeakng_loader

        # The library keeps the phase of its last sound for ever; only a copy of the file is loaded afresh, and so
        # begins every song alike.
        with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            self._library = ctypes.CDLL(shutil.copy(espeakng_loader.get_library_path(), folder))
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate = int(
            self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, data, _INITIALIZE_PHONEME_EVENTS)
        )
        prototype = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
        )
        self._blocks: list[NDArray[np.int16]] = []
        self._events: list[tuple[str, float]] = []
        # Kept alive with the object: the library holds only the bare pointer.
        self._callback = prototype(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_SetVoiceByName(b"en-us")
        for parameter, value in ((_RATE, SPEECH_RATE), (_PITCH, SPEECH_PITCH), (_RANGE, 0)):
            self._library.espeak_SetParameter(parameter, value, 0)

    def speak(self, text: str) -> tuple[Samples, tuple[Phoneme, ...]]:
        """Speak one line.

        Parameters
        ----------
        text : str
            The words; punctuation is left out, because a comma would be a pause.

        Returns
        -------
        samples : ndarray (n_samples,)
            Speech at `SAMPLE_RATE`, full scale 1.
        phonemes : tuple of Phoneme
            In order, without the pause at the end.
        """
        import soxr

        self._blocks.clear()
        self._events.clear()
        encoded = "".join(letter for letter in text if letter.isalpha() or letter in "' ").encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, _CHARS_UTF8, None, None)
        speech = np.concatenate(self._blocks) / 32768
        names, starts = zip(*self._events, strict=True)
        phonemes = tuple(
            Phoneme(name, start, end)
            for name, start, end in zip(names, starts, starts[1:], strict=False)
            if not name.startswith("_")
        )
        return soxr.resample(speech, self.sample_rate, SAMPLE_RATE), phonemes

    def _collect(self, wave: Any, n_samples: int, events: Any) -> int:
        if n_samples:
            self._blocks.append(np.ctypeslib.as_array(wave, (n_samples,)).copy())
        index = 0
        while events[index].type != _EVENT_TERMINATED:
            if events[index].type == _EVENT_PHONEME:
                self._events.append((events[index].name.decode(), events[index].sample / self.sample_rate))
            index += 1
        return 0


def place_phonemes(
    phonemes: tuple[Phoneme, ...], times: list[float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lay spoken phonemes on the beats of a line.

    Vowels begin on the beat, consonants keep their spoken length before it, and what is left of a note
    lengthens the vowel's steady part, so that the glide of a diphthong stays as quick as in speech.

    Parameters
    ----------
    phonemes : tuple of Phoneme
        The spoken line.
    times : list of float
        As `parse_melody` gives them.

    Returns
    -------
    sung, spoken : ndarray (n_knots,)
        Seconds in the song and in the speech that belong together; ascending.

    Raises
    ------
    ValueError
        If the line has not as many syllables as notes.
    """
    vowels = [index for index, phoneme in enumerate(phonemes) if phoneme.is_vowel]
    if len(vowels) != len(times) - 1:
        names = " ".join(phoneme.name for phoneme in phonemes)
        raise ValueError(f"{len(times) - 1} notes for {len(vowels)} syllables: {names}")
    sung, spoken = [times[0] - (phonemes[vowels[0]].start - phonemes[0].start)], [phonemes[0].start]
    for beat, next_beat, index, next_index in zip(
        times, times[1:], vowels, [*vowels[1:], len(phonemes)], strict=False
    ):
        vowel = phonemes[index]
        spoken_length = vowel.end - vowel.start
        consonants = phonemes[next_index - 1].end - vowel.end
        sung_length = next_beat - beat - min(consonants, 0.6 * (next_beat - beat))
        # In a short note the whole vowel shrinks evenly.
        shrink = min(1.0, sung_length / spoken_length)
        attack, release = 0.35 * spoken_length, 0.45 * spoken_length
        sung += [beat, beat + shrink * attack, beat + sung_length - shrink * release, beat + sung_length]
        spoken += [vowel.start, vowel.start + attack, vowel.end - release, vowel.end]
    sung.append(times[-1])
    spoken.append(phonemes[-1].end)
    return np.array(sung), np.array(spoken)


def pitch_contour(seconds: Samples, frequencies: list[float], times: list[float]) -> Samples:
    """Give the hertz sung at `seconds`: the notes, joined by short glides, with vibrato on the long ones."""
    semitones = 12 * np.log2(np.array(frequencies))
    starts = np.array(times[:-1])
    index = np.clip(np.searchsorted(starts, seconds + GLIDE / 2, side="right") - 1, 0, len(starts) - 1)
    width = max(3, round(GLIDE / FRAME_PERIOD))
    window = np.hanning(width + 2)[1:-1]
    steps = np.pad(semitones[index], width // 2, mode="edge")
    contour = np.convolve(steps, window / window.sum(), mode="valid")[: len(seconds)]
    since = seconds - starts[index]
    fade = np.clip((since - VIBRATO_DELAY) / 0.2, 0, 1)
    vibrato = VIBRATO_CENTS / 100 * fade * np.sin(2 * np.pi * VIBRATO_RATE * (since - VIBRATO_DELAY))
    pitch: Samples = 2 ** ((contour + vibrato) / 12)
    return pitch


def sing(line: SungLine, speaker: Speaker) -> tuple[Samples, TimedLine]:
    """Sing one line with WORLD (Morise et al. 2016): Harvest, CheapTrick, D4C, then synthesis on the melody.

    Returns
    -------
    samples : ndarray (n_samples,)
        From the line's first phoneme on, peak 1.
    timed : TimedLine
        Its times in the song.
    """
    import pyworld

    speech, phonemes = speaker.speak(line.text)
    frequencies, times = parse_melody(line)
    sung, spoken = place_phonemes(phonemes, times)
    period = 1000 * FRAME_PERIOD
    f0, clock = pyworld.harvest(speech, SAMPLE_RATE, f0_floor=60, f0_ceil=400, frame_period=period)
    envelope = np.log(pyworld.cheaptrick(speech, f0, clock, SAMPLE_RATE))
    noisiness = pyworld.d4c(speech, f0, clock, SAMPLE_RATE)

    seconds = np.arange(sung[0], sung[-1], FRAME_PERIOD)
    source = np.clip(np.interp(seconds, sung, spoken) / FRAME_PERIOD, 0, len(f0) - 1.001)
    pitch = np.where(f0[np.rint(source).astype(int)] > 0, pitch_contour(seconds, frequencies, times), 0.0)
    below = source.astype(int)
    part = (source - below)[:, None]
    voice = pyworld.synthesize(
        pitch,
        np.exp((1 - part) * envelope[below] + part * envelope[below + 1]),
        (1 - part) * noisiness[below] + part * noisiness[below + 1],
        SAMPLE_RATE,
        frame_period=period,
    )
    voice /= np.abs(voice).max()
    ramp = np.linspace(0, 1, round(0.005 * SAMPLE_RATE))
    voice[: len(ramp)] *= ramp
    voice[-len(ramp) :] *= ramp[::-1]
    return voice, TimedLine(round(float(sung[0]), 3), round(float(sung[-1]), 3), line.text)


def sing_all(n_samples: int) -> tuple[Samples, tuple[TimedLine, ...]]:
    """Sing every line into one stereo track of shape (2, n_samples) with a little room around the voice."""
    speaker = Speaker()
    track = np.zeros(n_samples)
    timed = []
    for line in LINES:
        voice, times = sing(line, speaker)
        add(track, voice, times.start)
        timed.append(times)
    wet = 0.16
    track /= np.abs(track).max()
    return np.stack([track + wet * convolve(track, room(seed)) for seed in (1, 2)]), tuple(timed)


# ------------------------------------------------------------------------ the band


def add(track: Samples, sound: Samples, start: float) -> None:
    """Mix `sound` into `track` (both (n_samples,)) at `start` seconds; what reaches over the end is cut."""
    first = round(start * SAMPLE_RATE)
    length = min(len(sound), len(track) - first)
    track[first : first + length] += sound[:length]


def convolve(signal: Samples, response: Samples) -> Samples:
    """Filter `signal` (n_samples,) with `response`, keeping the length."""
    size = 1 << (len(signal) + len(response) - 1).bit_length()
    product = np.fft.rfft(signal, size) * np.fft.rfft(response, size)
    return np.fft.irfft(product, size)[: len(signal)]


def noise(seconds: float, low: float, high: float, seed: int) -> Samples:
    """White noise between `low` and `high` hertz, RMS 1."""
    n_samples = round(seconds * SAMPLE_RATE)
    spectrum = np.fft.rfft(np.random.Generator(np.random.PCG64(seed)).standard_normal(n_samples))
    hertz = np.fft.rfftfreq(n_samples, 1 / SAMPLE_RATE)
    spectrum[(hertz < low) | (hertz > high)] = 0
    sound = np.fft.irfft(spectrum, n_samples)
    return sound / float(np.sqrt(np.mean(sound**2)))


def room(seed: int) -> Samples:
    """Impulse response of a small room, energy 1: noise that falls by 60 dB in 0.35 s."""
    response = noise(0.35, 200, 8000, seed)
    response *= 10 ** (-3 * np.arange(len(response)) / len(response))
    return response / float(np.sqrt(np.sum(response**2)))


@cache
def pluck(note: str, seconds: float, n_partials: int, decay: float) -> Samples:
    """Plucked string: partials that fall as 1/k and die faster the higher they are; `decay` per second."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    sound = np.zeros(len(time))
    for k in range(1, n_partials + 1):
        sound += np.exp(-decay * (0.7 + 0.3 * k) * time) * np.sin(2 * np.pi * k * frequency(note) * time) / k
    return sound * fade(len(time))


@cache
def pad(note: str, seconds: float) -> Samples:
    """Soft organ-like tone with slow edges: two slightly detuned stacks of five partials."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phases = 2 * np.pi * frequency(note) * time
    tones = [np.sin(k * detune * phases) / k**1.5 for k in range(1, 6) for detune in (0.998, 1.002)]
    sound: Samples = np.sum(tones, axis=0) * fade(len(time), 0.15)
    return sound


def fade(n_samples: int, seconds: float = 0.004) -> Samples:
    """Gain (n_samples,) that opens and closes in `seconds`, so that no sound clicks."""
    edge = np.minimum(np.arange(n_samples), np.arange(n_samples)[::-1]) / (seconds * SAMPLE_RATE)
    return np.minimum(edge, 1.0)


def kick() -> Samples:
    """Sine that sweeps from 150 to 48 Hz."""
    time = np.arange(round(0.28 * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * (48 * time + (150 - 48) * (1 - np.exp(-28 * time)) / 28)
    return np.sin(phase) * np.exp(-11 * time) * fade(len(time), 0.002)


def snare() -> Samples:
    """Noise over a short tone."""
    time = np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE
    tone = np.sin(2 * np.pi * 190 * time) * np.exp(-30 * time)
    return (0.35 * noise(0.2, 900, 9000, 11) * np.exp(-20 * time) + 0.6 * tone) * fade(len(time), 0.001)


def hat(seed: int) -> Samples:
    """Short high noise."""
    sound = noise(0.06, 6500, 15000, seed)
    return sound * np.exp(-60 * np.arange(len(sound)) / SAMPLE_RATE) * fade(len(sound), 0.001)


def play_all(n_samples: int) -> Samples:
    """Play the band: drums, bass, strummed and held chords, and a plucked hook where nobody sings.

    Returns
    -------
    ndarray (2, n_samples)
        The accompaniment, at no particular level.
    """
    middle, left, right = (np.zeros(n_samples) for _ in range(3))
    sounds = {"kick": kick(), "snare": snare()}
    hats = [hat(seed) for seed in range(20, 24)]
    for bar, chord in enumerate(CHORDS):
        start = bar * BAR
        bass, *upper = CHORD_NOTES[chord]
        last = bar == len(CHORDS) - 1
        length = BAR + TAIL if last else BAR
        for note, side in zip(upper, (left, right, left), strict=True):
            add(side, 0.09 * pad(note, length), start)
        for string, note in enumerate(upper):
            for beat in (0.0,) if last else (0.0, 1.5, 3.0):
                side = right if string % 2 else left
                add(side, 0.16 * pluck(note, 1.2, 9, 5.0), start + beat * BEAT + 0.012 * string)
        for beat in (0.0,) if last else (0.0, 1.5, 2.0, 3.5):
            add(middle, 0.5 * pluck(bass, 1.6 if last else 0.45, 5, 4.0), start + beat * BEAT)
        if bar in HOOK_BARS:
            for step, string in enumerate((0, 1, 2, 1, 2, 1, 0, 1)):
                octave = upper[string][:-1] + str(int(upper[string][-1]) + 1)
                add(right if step % 2 else left, 0.3 * pluck(octave, 0.9, 6, 4.5), start + step * BEAT / 2)
        if last:
            add(middle, sounds["kick"], start)
            continue
        for beat in (0.0, 2.0, 2.5):
            add(middle, 0.9 * sounds["kick"], start + beat * BEAT)
        for beat in (1.0, 3.0):
            add(middle, 0.8 * sounds["snare"], start + beat * BEAT)
        for step in range(8):
            add(right, (0.07, 0.12)[step % 2] * hats[step % len(hats)], start + step * BEAT / 2)
    return np.stack([middle + left + 0.4 * right, middle + right + 0.4 * left])


# --------------------------------------------------------------- mix, write, start


def level(track: Samples, dbfs: float) -> Samples:
    """Scale a stereo track to the RMS `dbfs`, measured within 30 dB of its loudest tenth of a second."""
    size = SAMPLE_RATE // 10
    n_blocks = track.shape[-1] // size
    power = (track[:, : n_blocks * size].reshape(2, n_blocks, size) ** 2).mean(axis=(0, 2))
    return track * (10 ** (dbfs / 20) / float(np.sqrt(power[power > power.max() / 1000].mean())))


def make_song() -> Song:
    """Sing, play and mix; deterministic."""
    n_samples = round((len(CHORDS) * BAR + TAIL) * SAMPLE_RATE)
    voice, lines = sing_all(n_samples)
    vocals = level(voice, VOICE_DBFS)
    mixture = vocals + level(play_all(n_samples), BAND_DBFS)
    # The headroom is for the overshoot of the lossy coders.
    gain = 0.8 / np.abs(mixture).max()
    return Song(_to_pcm(mixture * gain), _to_pcm(vocals * gain), lines)


def fingerprint(pcm: NDArray[np.int16]) -> str:
    """Give the sha256 of PCM, by which two runs are compared."""
    return hashlib.sha256(pcm.tobytes()).hexdigest()


def _to_pcm(track: Samples) -> NDArray[np.int16]:
    return np.rint(track * 32767).astype(np.int16)


def write_mp3(path: Path, pcm: NDArray[np.int16], bit_rate: int) -> None:
    """Encode int16 PCM (2, n_samples) as MP3; ``bitexact`` keeps versions and dates out of the bytes."""
    import av

    with (
        replacing(path) as temporary,
        av.open(str(temporary), "w", options={"fflags": "+bitexact"}) as container,
    ):
        container.metadata.update({"title": TITLE, "artist": "lyricsep", "copyright": "CC0-1.0"})
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE, layout="stereo")
        stream.bit_rate = bit_rate
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm.T).reshape(1, -1), "s16", "stereo")
        frame.sample_rate = SAMPLE_RATE
        for block in (frame, None):
            container.mux(stream.encode(block))


def write_ogg(path: Path, pcm: NDArray[np.int16], compression_level: float) -> None:
    """Encode int16 PCM (2, n_samples) as Ogg Vorbis; compression level 0 is best, 1 smallest."""
    import soundfile

    with (
        replacing(path) as temporary,
        soundfile.SoundFile(
            temporary, "w", SAMPLE_RATE, 2, "VORBIS", format="OGG", compression_level=compression_level
        ) as file,
    ):
        # libsndfile's Vorbis encoder overflows its stack when it is given a whole song at once.
        for first in range(0, pcm.shape[1], SAMPLE_RATE):
            file.write(pcm[:, first : first + SAMPLE_RATE].T)


def write_song(song: Song, folder: Path) -> None:
    """Write the song's files into `folder`."""
    write_mp3(folder / f"{NAME}.mp3", song.mixture, MP3_BIT_RATE)
    write_ogg(folder / f"{NAME}.vocals.ogg", song.vocals, OGG_COMPRESSION)
    write_text(folder / f"{NAME}.txt", "".join(f"{line.text}\n" for line in song.lines))
    about = {
        "title": TITLE,
        "language": "en",
        "license": "CC0-1.0",
        "duration": song.mixture.shape[1] / SAMPLE_RATE,
        "made_with": (
            "scripts/make_example.py: words, melody and band by the lyricsep project; voice spoken by eSpeak "
            "NG 1.52 (GPL-3.0, run as a tool) and set to the melody with the WORLD vocoder"
        ),
        "lines": [{"start": line.start, "end": line.end, "text": line.text} for line in song.lines],
    }
    write_text(folder / f"{NAME}.json", json.dumps(about, indent=2) + "\n")
    lines = tuple(Line(line.start, line.end, line.text) for line in song.lines)
    write_lyrics(folder / f"{NAME}.lrc", Lyrics(lines, "en", about["duration"]), "lrc", title=TITLE)


def main() -> None:
    """Make the song and tell the hash of its PCM."""
    parser = argparse.ArgumentParser(description="Make the example song of data/example.")
    parser.add_argument("--output", type=Path, default=Path("data/example"), help="folder to write into")
    folder: Path = parser.parse_args().output
    song = make_song()
    write_song(song, folder)
    for name, pcm in (("mixture", song.mixture), ("vocals", song.vocals)):
        print(f"{name}: {pcm.shape[1] / SAMPLE_RATE:.2f} s, PCM sha256 {fingerprint(pcm)}")


if __name__ == "__main__":
    main()
