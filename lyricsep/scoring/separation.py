"""Score separated vocals against the reference stem.

Task: measure the distance of an estimate from its reference. Both start at the same sample and are compared at the
sample rate of the reference, which is the first argument of every call.

- SI-SDR: Le Roux et al., "SDR - half-baked or well done?" (ICASSP 2019): the energy of the scaled
  reference in the estimate over that of the rest. No mean is removed, as in the paper. One gain for all channels.
- SDR: Mitsufuji et al., "Music Demixing Challenge 2021": ``10 log10(sum s^2 / sum (s - s_hat)^2)``, all channels and
  samples at once. It is sensitive to gain.
- BSSEval v4 SDR: Stöter, Liutkus, Ito, "The 2018 Signal Separation Evaluation Campaign" (LVA/ICA 2018): the median
  over frames of one second. Its distortion filters split the error into three parts, which SDR sums again
  (``e_spat + e_interf + e_artif = s_hat - s``), so it equals the plain SDR of each frame; museval returns the same
  numbers after solving for filters that cancel.
- MR-STFT: the spectral convergence and the distance of log magnitudes at several resolutions (lower is better), by
  auraloss (Steinmetz and Reiss 2020), with the resolutions and the A-weighting that Bereuter et al. (WASPAA 2025,
  "Towards Reliable Objective Evaluation Metrics for Generative Singing Voice Separation") compared with listening
  tests.

Their rank correlation with listeners was 0.67 (SDR) and -0.66 (MR-STFT) for separators that filter the mixture, 0.18
and -0.72 for those that generate vocals; the latter must not be ranked by SDR.
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

METRICS = ("si_sdr", "sdr", "bss_sdr", "mr_stft")

LENGTH_TOLERANCE = 0.1  # seconds; codecs pad songs by less

_FRAME = 1.0  # seconds, window and hop of SiSEC 2018
_FFT_SIZES = (256, 512, 1024, 2048, 4096)  # samples; hops are a quarter of them, windows as long


@dataclass(frozen=True, slots=True)
class SeparationScore:
    """Separation metrics; None for metrics that were not requested.

    NaN if the metric is not defined: the reference is silent or too short. An estimate equal to the reference has
    infinite SDR; silence has 0 dB SDR and minus infinite SI-SDR.

    Parameters
    ----------
    si_sdr : float or None
        Scale-invariant SDR in dB.
    sdr : float or None
        SDR over the whole song in dB.
    bss_sdr : float or None
        Median SDR over frames of one second in dB; frames in which either is silent and an incomplete last frame are
        excluded, as in museval.
    mr_stft : float or None
        Multi-resolution STFT distance, 0 for the reference itself; mean over the channels that are not silent in the
        reference.
    """

    si_sdr: float | None = None
    sdr: float | None = None
    bss_sdr: float | None = None
    mr_stft: float | None = None

    def as_document(self) -> dict[str, float | str | None]:
        """Return the requested metrics as JSON-compatible data: None for NaN, ``"inf"`` and ``"-inf"``."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: _plain(value) for name, value in values if value is not None}


def available_metrics() -> tuple[str, ...]:
    """Return the metrics whose libraries are installed, in the order of `METRICS`."""
    # auraloss uses scipy for its weighting without depending on it.
    has_library = all(importlib.util.find_spec(name) for name in ("auraloss", "scipy"))
    return tuple(name for name in METRICS if name != "mr_stft" or has_library)


def score_separation(reference: Audio, estimate: Audio, metrics: Iterable[str] = METRICS) -> SeparationScore:
    """Compare separated vocals with the reference stem.

    The estimate is resampled to the rate of the reference; if the numbers of channels differ, both are mixed down to
    one; the longer one is truncated. Gain and delay are not corrected.

    Parameters
    ----------
    reference : Audio
        Reference stem.
    estimate : Audio
        Output of a separator.
    metrics : iterable of str
        Some of `METRICS`. ``mr_stft`` needs the extra ``quality``.

    Raises
    ------
    ValueError
        If a metric is unknown.
    AudioError
        If the lengths differ by more than `LENGTH_TOLERANCE`, or samples are not finite.
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
    """Return both at the rate of the reference, with equal channels and length, on the CPU."""
    for what, audio in (("reference", reference), ("estimate", estimate)):
        if not audio.samples.isfinite().all():
            raise AudioError(
                f"the {what} has samples that are not finite (NaN or infinity); create or download it again"
            )
    # Round to nanoseconds, so that a difference equal to the tolerance is accepted despite rounding errors.
    if round(abs(reference.duration - estimate.duration), 9) > LENGTH_TOLERANCE:
        raise AudioError(
            f"the reference lasts {reference.duration:.2f} s and the estimate {estimate.duration:.2f} s, expected "
            f"the same to within {LENGTH_TOLERANCE} s; compare with the stem of the same recording"
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
    # The estimate has no part of the reference; this includes silence (0 / 0).
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
    """Return the mean over channels; needs about 80 bytes per sample of a channel, 0.8 GB for four minutes."""
    import torch

    try:
        from auraloss.freq import MultiResolutionSTFTLoss
        from auraloss.perceptual import FIRFilter

        weighting = FIRFilter(filter_type="aw", fs=sample_rate)
    except ImportError as error:
        raise ConfigError("mr_stft needs auraloss and scipy: pip install 'lyricsep[quality]'") from error
    if s.shape[1] <= max(_FFT_SIZES) // 2:  # too short for reflection padding
        return math.nan
    hops = [size // 4 for size in _FFT_SIZES]
    distance = MultiResolutionSTFTLoss(fft_sizes=_FFT_SIZES, hop_sizes=hops, win_lengths=_FFT_SIZES)
    values = []
    with torch.inference_mode():
        for target, found in zip(s, s_hat, strict=True):
            if target.any():
                # Weight once for all resolutions; as an option of the loss, it would dominate the computation.
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
