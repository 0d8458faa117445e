"""Separated vocals against the stem they should be.

Task: tell how far an estimate is from the reference. Both start at their first sample; the reference comes first in
every call, and its rate is the one that is compared at.

- SI-SDR: Le Roux et al., "SDR - half-baked or well done?" (ICASSP 2019): the part of the estimate that is the
  reference, at any gain, against the rest. No mean is removed, as in the paper. One gain for all channels.
- SDR: Mitsufuji et al., "Music Demixing Challenge 2021": ``10 log10(sum s^2 / sum (s - s_hat)^2)``, all channels and
  samples at once. A wrong level is an error.
- BSSEval v4 SDR: Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign" (LVA/ICA 2018): the median
  over frames of one second. Its distortion filters part the error into three, which SDR adds up again
  (``e_spat + e_interf + e_artif = s_hat - s``), so it is the plain SDR of each frame, and museval gives these numbers
  after solving for filters that cancel.
- MR-STFT: the spectral convergence and the distance of log magnitudes at several resolutions, lower is better; by
  auraloss (Steinmetz and Reiss 2020), with the resolutions and the A-weighting that Bereuter et al. (WASPAA 2025,
  "Towards Reliable Objective Evaluation Metrics for Generative Singing Voice Separation") compared with listeners.

Their rank correlation with listeners was 0.67 (SDR) and -0.66 (MR-STFT) for separators that filter the mixture, 0.18
and -0.72 for those that generate vocals: the latter must not be ranked by any SDR.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from lyricsep.audio import Audio, downmix, resample
from lyricsep.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["LENGTH_TOLERANCE", "METRICS", "SeparationScore", "available_metrics", "score_separation"]

METRICS = ("si_sdr", "sdr", "bss_sdr", "mr_stft")

LENGTH_TOLERANCE = 0.1  # seconds; codecs pad the end of a song by less

_FRAME = 1.0  # seconds, window and hop of SiSEC 2018
_FFT_SIZES = (256, 512, 1024, 2048, 4096)  # samples; hops are a quarter of them, windows as long


@dataclass(frozen=True, slots=True)
class SeparationScore:
    """How near an estimate is to its reference; None where a metric was not asked for.

    NaN where there is no answer: the reference is silent, or too short. An estimate that is the reference scores
    infinity; silence scores 0 dB of SDR, and minus infinity where gain does not count.

    Parameters
    ----------
    si_sdr : float or None
        dB, at the best gain.
    sdr : float or None
        dB, over the whole song.
    bss_sdr : float or None
        dB, the median over frames of one second; frames where either is silent, and a last one that is not whole, are
        left out, as museval does.
    mr_stft : float or None
        From 0 for the reference itself; the mean over the channels in which the reference sounds.
    """

    si_sdr: float | None = None
    sdr: float | None = None
    bss_sdr: float | None = None
    mr_stft: float | None = None

    def as_document(self) -> dict[str, float | str | None]:
        """Give what was asked for as JSON can hold it: None for NaN, ``"inf"`` and ``"-inf"`` for the infinities."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _plain(value) for name, value in values if value is not None}


def available_metrics() -> tuple[str, ...]:
    """Name the metrics whose libraries are installed, in the order of `METRICS`."""
    # auraloss takes its weighting from scipy without asking for it.
    has_library = all(importlib.util.find_spec(name) for name in ("auraloss", "scipy"))
    return tuple(name for name in METRICS if name != "mr_stft" or has_library)


def score_separation(reference: Audio, estimate: Audio, metrics: Iterable[str] = METRICS) -> SeparationScore:
    """Compare separated vocals with the stem they should be.

    The estimate is resampled to the reference's rate; where the channels differ in number, both are mixed to one;
    what one has more at its end is left out. No gain and no delay is corrected.

    Parameters
    ----------
    reference : Audio
        The stem.
    estimate : Audio
        What a separator gave.
    metrics : iterable of str
        Some of `METRICS`. ``mr_stft`` needs the extra ``quality``.

    Raises
    ------
    ValueError
        If a metric has no such name.
    AudioError
        If the two are not equally long, to within `LENGTH_TOLERANCE`, or hold samples that are not finite.
    ConfigError
        If the library of a metric is not installed.
    """
    wanted = frozenset(metrics)
    if wanted - set(METRICS):
        raise ValueError(
            f"expected metrics among {', '.join(METRICS)}, got {', '.join(sorted(wanted - set(METRICS)))}"
        )
    s, s_hat = _matched(reference, estimate)
    exact, exact_hat = s.double().numpy(), s_hat.double().numpy()
    frame_length = round(_FRAME * reference.sample_rate)
    return SeparationScore(
        si_sdr=_si_sdr(exact, exact_hat) if "si_sdr" in wanted else None,
        sdr=_sdr(exact, exact_hat) if "sdr" in wanted else None,
        bss_sdr=_bss_sdr(exact, exact_hat, frame_length) if "bss_sdr" in wanted else None,
        mr_stft=_mr_stft(s, s_hat, reference.sample_rate) if "mr_stft" in wanted else None,
    )


def _matched(reference: Audio, estimate: Audio) -> tuple[Tensor, Tensor]:
    """Bring both to the reference's rate, the same channels and the shorter's length, on the CPU."""
    for what, audio in (("reference", reference), ("estimate", estimate)):
        if not audio.samples.isfinite().all():
            raise AudioError(
                f"the {what} holds samples that are not finite (NaN or infinity); make or fetch it again"
            )
    # To the nanosecond, so that the tolerance itself is within it, whatever floats say.
    if round(abs(reference.duration - estimate.duration), 9) > LENGTH_TOLERANCE:
        raise AudioError(
            f"the reference lasts {reference.duration:.2f} s and the estimate {estimate.duration:.2f} s, expected "
            f"the same to within {LENGTH_TOLERANCE} s; compare with the stem of this very recording"
        )
    s, s_hat = reference.samples.cpu(), estimate.samples.cpu()
    if s.shape[0] != s_hat.shape[0]:
        s, s_hat = downmix(s), downmix(s_hat)
    s_hat = resample(s_hat, estimate.sample_rate, reference.sample_rate)
    n_samples = min(s.shape[1], s_hat.shape[1])
    return s[:, :n_samples], s_hat[:, :n_samples]


def _si_sdr(s: NDArray[np.float64], s_hat: NDArray[np.float64]) -> float:
    energy = _energy(s)
    if not energy:
        return math.nan
    target = s * (np.vdot(s, s_hat) / energy)
    # Nothing of the reference in it: silence, too, whatever 0 / 0 may be.
    return _decibels(_energy(target), _energy(s_hat - target)) if target.any() else -math.inf


def _sdr(s: NDArray[np.float64], s_hat: NDArray[np.float64]) -> float:
    energy = _energy(s)
    return _decibels(energy, _energy(s - s_hat)) if energy else math.nan


def _bss_sdr(s: NDArray[np.float64], s_hat: NDArray[np.float64], frame_length: int) -> float:
    starts = range(0, max(1, s.shape[1] - frame_length + 1), frame_length)
    frames = [(s[:, start : start + frame_length], s_hat[:, start : start + frame_length]) for start in starts]
    values = [_sdr(one, other) for one, other in frames if one.any() and other.any()]
    return float(np.median(values)) if values else math.nan


def _mr_stft(s: Tensor, s_hat: Tensor, sample_rate: int) -> float:
    """Average over channels; takes about 80 bytes a sample of one channel, 0.8 GB for a song of four minutes."""
    import torch

    try:
        from auraloss.freq import MultiResolutionSTFTLoss
        from auraloss.perceptual import FIRFilter

        weighting = FIRFilter(filter_type="aw", fs=sample_rate)
    except ImportError as error:
        raise ConfigError("mr_stft needs auraloss and scipy: pip install 'lyricsep[quality]'") from error
    if s.shape[1] <= max(_FFT_SIZES) // 2:  # nothing to reflect at the edges
        return math.nan
    hops = [size // 4 for size in _FFT_SIZES]
    distance = MultiResolutionSTFTLoss(fft_sizes=_FFT_SIZES, hop_sizes=hops, win_lengths=_FFT_SIZES)
    values = []
    with torch.inference_mode():
        for target, found in zip(s, s_hat, strict=True):
            if target.any():
                # Once for all resolutions: as an option of the distance, it is most of the work.
                found, target = weighting(found[None, None], target[None, None])
                values.append(float(distance(found, target)))
    return math.fsum(values) / len(values) if values else math.nan


def _energy(samples: NDArray[np.float64]) -> float:
    return float(np.vdot(samples, samples))


def _decibels(signal: float, noise: float) -> float:
    return 10 * math.log10(signal / noise) if noise else math.inf


def _plain(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else str(value)
