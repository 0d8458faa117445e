"""The catalogue: names to specifications to running separators."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch

from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec, create_separator, find_separator, separator_catalog

CPU = torch.device("cpu")
FAMILIES = {
    "passthrough",
    "stems",
    "spleeter",
    "demucs",
    "conv_tasnet",
    "umx",
    "resunet",
    "msst",
    "ibm_cnn",
    "exec",
    "unavailable",
}
# Files whose whole hash could not be had, and the digits that their names tell; the first download pins them.
UNPINNED = {
    "tasnet-beb46fac.th": "beb46fac",
    "tasnet_extra-df3777b2.th": "df3777b2",
    "ConvTasNet_DAMP-VSEP_enhboth.pth": "",
    "conv_tasnet_base_libri2mix.pt": "",
    "vocals-bccbd9aa.pth": "bccbd9aa",
    "model_scnet_ep_54_sdr_9.8051.ckpt": "",
    "model_vocals_mdx23c_sdr_10.17.ckpt": "",
    "roberta-base-vocab.json": "",
    "roberta-base-merges.txt": "",
    "uss-resunet30-at_soft-full-step1000000.ckpt": "",
    "ibm_cnn.npz": "",  # its user makes it
}


def test_what_the_catalogue_holds() -> None:
    assert list(separator_catalog()) == [
        "none",
        "stems",
        "spleeter",
        "htdemucs",
        "htdemucs_ft",
        "htdemucs_6s",
        "hdemucs_mmi",
        "mdx",
        "mdx_extra",
        "mdx_q",
        "mdx_extra_q",
        "convtasnet_music",
        "convtasnet_music_extra",
        "convtasnet_damp",
        "convtasnet_libri2mix",
        "umxhq",
        "umxl",
        "mel_band_roformer_kim",
        "bs_roformer_viperx",
        "bs_roformer_sw",
        "scnet",
        "scnet_xl",
        "mdx23c",
        "audiosep",
        "uss",
        "ibm_cnn",
        "gensvs_melrofo_bigvgan",
        "gensvs_sgmsvs",
        "mossformer2",
        "bimodal",
        "flowsep",
        "macs",
        "hsm_tss",
        "one_avm",
    ]


@pytest.mark.parametrize("name", separator_catalog())
def test_every_entry_is_complete(name) -> None:
    spec = separator_catalog()[name]
    assert spec.name == name
    assert spec.family in FAMILIES
    assert spec.summary
    assert spec.licence
    assert spec.citation
    assert bool(spec.files) == (spec.family not in ("passthrough", "stems", "exec", "unavailable"))
    for file in spec.files:
        assert re.fullmatch("[0-9a-f]{64}", file.sha256) or UNPINNED[file.name] == file.sha256
        assert file.sources


def test_no_name_twice() -> None:
    from importlib import resources

    text = resources.files("lyricsep.separators").joinpath("catalog.toml").read_text(encoding="utf-8")
    assert text.count("[[separator]]") == len(separator_catalog())
    hashes = re.findall('sha256 = "(.+)"', text)
    assert len(set(hashes)) == len(hashes)


def test_demucs_files_are_called_after_their_hash() -> None:
    files = [file for spec in separator_catalog().values() if spec.family == "demucs" for file in spec.files]
    assert len(files) == 16
    for file in files:
        signature, checksum = re.fullmatch(r"([0-9a-f]{8})-([0-9a-f]{8})\.th", file.name).groups()
        assert file.sha256.startswith(checksum)
        assert str(file.sources[0]).endswith(f"/{signature}-{checksum}.th")


def test_demucs_collections_are_those_that_demucs_publishes() -> None:
    """The models with a say in the vocals, and the segment, as in the library's own lists."""
    import yaml
    from demucs.pretrained import REMOTE_ROOT

    for spec in separator_catalog().values():
        if spec.family != "demucs":
            continue
        published = yaml.safe_load((REMOTE_ROOT / f"{spec.name}.yaml").read_text())
        # Sources are drums, bass, other, vocals.
        weights = published.get("weights") or [[1.0] * 4] * len(published["models"])
        with_a_say = [model for model, row in zip(published["models"], weights, strict=True) if row[3]]
        assert [file.name.partition("-")[0] for file in spec.files] == with_a_say
        assert {row[3] for row in weights} <= {0.0, 1.0}  # the mean is a plain one
        assert spec.settings.get("segment") == published.get("segment")


def test_the_vocals_of_htdemucs_ft_need_one_model() -> None:
    assert [file.name for file in find_separator("htdemucs_ft").files] == ["04573f0d-f3cf25b2.th"]


@pytest.mark.parametrize(
    ("wrong", "meant"), [("htdemucs-ft", "htdemucs_ft"), ("spleter", "spleeter"), ("MDX_extra", "mdx_extra")]
)
def test_did_you_mean(wrong, meant) -> None:
    with pytest.raises(ConfigError, match=f"no separator is called '{wrong}'; did you mean '{meant}'\\? "):
        find_separator(wrong)


def test_a_name_like_no_other() -> None:
    with pytest.raises(ConfigError, match=r"no separator is called 'xyzzy'; `lyricsep models list` shows them all"):
        find_separator("xyzzy")


@pytest.mark.parametrize("name", [name for name, spec in separator_catalog().items() if spec.family == "demucs"])
def test_without_a_network(name, cache) -> None:
    spec = find_separator(name)
    with pytest.raises(WeightsError, match=rf"^{spec.files[0].name}: no source gave it: .*offline") as caught:
        create_separator(spec, CPU, offline=True)
    assert "models pull" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_family_that_does_not_exist() -> None:
    with pytest.raises(ConfigError, match="mine: no family is called 'own'; correct the catalogue entry"):
        create_separator(SeparatorSpec("mine", "own", "", "", ""), CPU)


def test_two_files_for_spleeter() -> None:
    spec = SeparatorSpec("mine", "spleeter", "", "", "", find_separator("spleeter").files[:1])
    with pytest.raises(ConfigError, match="mine: Spleeter needs two files, vocals and accompaniment, got 1"):
        create_separator(spec, CPU)


def test_the_catalogue_costs_no_torch() -> None:
    program = "import sys; from lyricsep.separators import separator_catalog as c; c(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
