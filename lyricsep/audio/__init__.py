"""Sound in and out of files, on one clock (`lyricsep.audio.reading`) and at one level."""

from lyricsep.audio.encoding import SOUND_FORMATS, SoundEncoder, sound_file
from lyricsep.audio.names import read_names
from lyricsep.audio.normalising import Normalisation, measured
from lyricsep.audio.reading import AudioReader, load_audio, open_audio
from lyricsep.audio.resampling import StreamResampler, resample, resampled_length
from lyricsep.audio.signal import Audio, Damage, downmix
from lyricsep.audio.writing import AudioWriter, save_audio

__all__ = [
    "SOUND_FORMATS",
    "Audio",
    "AudioReader",
    "AudioWriter",
    "Damage",
    "Normalisation",
    "SoundEncoder",
    "StreamResampler",
    "downmix",
    "load_audio",
    "measured",
    "open_audio",
    "read_names",
    "resample",
    "resampled_length",
    "save_audio",
    "sound_file",
]
