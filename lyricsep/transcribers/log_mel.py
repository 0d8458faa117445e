"""Log-mel spectrograms for Whisper, of clips and of whole songs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# As in openai-whisper (whisper/audio.py)
SAMPLE_RATE = 16_000
N_FFT = 400
HOP_LENGTH = 160
N_SAMPLES = 480_000  # 30 s
N_FRAMES = N_SAMPLES // HOP_LENGTH
FRAMES_PER_SECOND = SAMPLE_RATE // HOP_LENGTH

N_TAIL_FRAMES = 3  # frames that begin after the last whole hop of a song and still overlap its end

BLOCK_FRAMES = 6_000  # one minute per block: the spectrum of an hour would take gigabytes


def clip_log_mel(clip: NDArray[np.float32], n_mels: int) -> Tensor:
    """Compute the spectrogram of a clip, padded with silence to 30 s.

    The audio is padded, as in Whisper's training, not the spectrogram: a spectrogram that ends in zeros, which no
    audio has, makes the model repeat itself.

    Parameters
    ----------
    clip : ndarray, shape (n_samples,)
        float32 at 16 kHz, at most 30 s.
    n_mels : int
        Bands; 80, or 128 for the large-v3 models.

    Returns
    -------
    Tensor, shape (n_mels, 3000)
        float32.

    Raises
    ------
    ValueError
        If the clip is longer than 30 s.
    """
    from lyricsep.transcribers.whisper_internals import log_mel_spectrogram

    if clip.shape[-1] > N_SAMPLES:
        raise ValueError(f"a clip lasts at most 30 s ({N_SAMPLES} samples), got {clip.shape[-1]} samples")
    mel: Tensor = log_mel_spectrogram(torch.from_numpy(clip), n_mels, padding=N_SAMPLES - clip.shape[-1])
    return mel


def song_log_mel(song: NDArray[np.float32], n_mels: int) -> Tensor:
    """Compute the spectrogram of a whole song, equal to Whisper's, block by block.

    Whisper clips to 8 below the loudest value of the whole song, so the song cannot be computed clip by clip.

    Parameters
    ----------
    song : ndarray, shape (n_samples,)
        float32 at 16 kHz.
    n_mels : int
        Bands; 80, or 128 for the large-v3 models.

    Returns
    -------
    Tensor, shape (n_mels, n_samples // 160)
        float32.
    """
    from lyricsep.transcribers.whisper_internals import mel_filters

    n_frames = song.shape[-1] // HOP_LENGTH
    n_computed = n_frames + N_TAIL_FRAMES
    # Whisper adds 30 s of silence and drops as many frames; the last frames it keeps overlap that silence.
    signal = F.pad(torch.from_numpy(song)[None], (0, N_SAMPLES))
    signal = F.pad(signal, (N_FFT // 2, 0), mode="reflect")[0]
    window = torch.hann_window(N_FFT)
    filters = mel_filters("cpu", n_mels)
    log_mel = torch.empty(n_mels, n_computed)
    for first in range(0, n_computed, BLOCK_FRAMES):
        last = min(first + BLOCK_FRAMES, n_computed)
        block = signal[first * HOP_LENGTH : (last - 1) * HOP_LENGTH + N_FFT]
        spectrum = torch.stft(block, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True)
        log_mel[:, first:last] = (filters @ spectrum.abs().square()).clamp(min=1e-10).log10()
    # The maximum is over all frames, including those that are dropped.
    loudest = float(log_mel.max())
    return (log_mel[:, :n_frames].clamp(min=loudest - 8.0) + 4.0) / 4.0
