"""Presets stand for things that exist, and each device gets one that it can bear."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from lyricsep.presets import PRESETS, preset_for
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import find_separator
from lyricsep.transcribers import WhisperOptions, find_model
from lyricsep.weights import is_available_offline


@pytest.mark.parametrize("name", PRESETS)
def test_presets_name_what_the_catalogues_hold(name: str) -> None:
    assert find_separator(PRESETS[name].separator).name == PRESETS[name].separator
    assert find_model(PRESETS[name].model).name == PRESETS[name].model
    assert PRESETS[name].summary


def test_fast_needs_no_network() -> None:
    files = (*find_separator(PRESETS["fast"].separator).files, *find_model(PRESETS["fast"].model).files)
    assert files
    assert all(map(is_available_offline, files))


def test_the_paper_is_taken_at_its_word() -> None:
    """arXiv 2506.15514, section 3: mdx_extra, large-v2, beam 5, RMS-VAD, the vocals alone, decoded once."""
    paper = PRESETS["paper"]
    assert (paper.separator, paper.model) == ("mdx_extra", "large-v2")
    assert paper.segmentation == PAPER
    assert (PAPER.onset, PAPER.offset, PAPER.min_silence, PAPER.pad, PAPER.floor_db) == (0.1, 0.1, 1.0, 0.2, None)
    options = paper.transcription
    assert (options.mix_back, options.beam_size, options.timestamps) == (0.0, 5, False)
    assert (options.no_repeat_ngram_sizes, options.temperatures) == ((), (0.0,))


def test_the_others_take_the_products_defaults() -> None:
    for name in set(PRESETS) - {"paper"}:
        assert PRESETS[name].segmentation == RmsVadOptions()
        n_together = 16 if name == "fast" else 8
        assert PRESETS[name].transcription == WhisperOptions(batch_size=n_together)


@pytest.mark.parametrize(
    ("device", "gigabytes", "expected"),
    [
        ("cpu", 0, "fast"),
        ("mps", 0, "balanced"),
        ("cuda", 8, "balanced"),
        ("cuda", 10, "best"),
        ("cuda:1", 80, "best"),
    ],
)
def test_each_device_gets_what_it_can_bear(
    monkeypatch: pytest.MonkeyPatch, device: str, gigabytes: int, expected: str
) -> None:
    properties = SimpleNamespace(total_memory=gigabytes * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: properties)
    assert preset_for(torch.device(device)) == expected
