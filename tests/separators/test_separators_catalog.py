"""The catalogue: names to specifications to running separators."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
import torch

from lyricsep import separators
from lyricsep.audio import Audio
from lyricsep.errors import ConfigError, WeightsError
from lyricsep.separators import SeparatorSpec, create_separator, engine, find_separator, separator_catalog
from lyricsep.weights import content_hash, fetch, save_safetensors

CPU = torch.device("cpu")
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
    "demucs-e07c671f.th": "e07c671f",
    "clipsep_nit.pt": "",  # its user brings it
    "ibm_cnn.npz": "",  # its user makes it
}


@pytest.mark.parametrize("name", separator_catalog())
def test_every_entry_is_complete(name) -> None:
    spec = separator_catalog()[name]
    assert spec.name == name
    assert spec.summary
    assert spec.licence
    assert spec.citation
    assert bool(spec.files) == (spec.family not in ("passthrough", "stems", "uvr", "exec", "unavailable"))
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
    specs = [spec for spec in separator_catalog().values() if spec.family == "demucs" and spec.name != "demucs_v2"]
    files = [file for spec in specs for file in spec.files]
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
        if spec.family != "demucs" or spec.name == "demucs_v2":  # which the library published before its lists
            continue
        published = yaml.safe_load((REMOTE_ROOT / f"{spec.name}.yaml").read_text())
        # Sources are drums, bass, other, vocals.
        weights = published.get("weights") or [[1.0] * 4] * len(published["models"])
        with_a_say = [model for model, row in zip(published["models"], weights, strict=True) if row[3]]
        assert [file.name.partition("-")[0] for file in spec.files] == with_a_say
        assert {row[3] for row in weights} <= {0.0, 1.0}  # the mean is a plain one
        assert spec.settings.get("segment") == published.get("segment")


@pytest.mark.parametrize(
    ("wrong", "meant"), [("htdemucs-ft", "htdemucs_ft"), ("spleter", "spleeter"), ("MDX_extra", "mdx_extra")]
)
def test_did_you_mean(wrong, meant) -> None:
    with pytest.raises(ConfigError, match=f"no separator is called '{wrong}'; did you mean '{meant}'\\? "):
        find_separator(wrong)


def test_other_names_of_a_separator() -> None:
    assert find_separator("spleeter:2stems") is separator_catalog()["spleeter"]
    assert find_separator("model_bs_roformer_ep_317_sdr_12.9755.ckpt").name == "bs_roformer_viperx"
    aliases = [alias for spec in separator_catalog().values() for alias in spec.aliases]
    assert len({*aliases, *separator_catalog()}) == len(aliases) + len(separator_catalog())


def test_a_model_of_ones_own_is_one_toml_entry(tmp_path, cache, monkeypatch) -> None:
    """Of an existing family: its files lie beside it, wherever the user is, and the manifest knows their hash."""
    built_in = find_separator("spleeter")
    folder = tmp_path / "modèle"
    folder.mkdir()
    lines = ['family = "spleeter"', 'licence = "MIT"']
    for file, name in zip(built_in.files, ("a.ckpt", "b.ckpt"), strict=True):
        shutil.copyfile(fetch(file), folder / name)
        lines += ["[[files]]", f'name = "{name}"', 'sha256 = ""', f'sources = ["file:{name}"]']
    (folder / "mine.toml").write_text("\n".join(lines))
    monkeypatch.chdir(tmp_path)
    spec = find_separator("modèle/mine.toml")
    assert (spec.name, spec.family, spec.status, spec.summary) == ("mine", "spleeter", "works", "Model of mine.toml")
    assert [content_hash(file) for file in spec.files] == [file.sha256 for file in built_in.files]
    song = Audio(torch.randn(2, 44100, generator=torch.Generator().manual_seed(1)) / 10, 44100)
    ours, theirs = (create_separator(each, CPU, offline=True).separate(song) for each in (spec, built_in))
    assert torch.equal(ours.samples, theirs.samples)

    (folder / "a.ckpt").write_bytes(b"retrained")
    assert content_hash(spec.files[0]) == hashlib.sha256(b"retrained").hexdigest()
    with pytest.raises(WeightsError, match=r"a.ckpt: is not a pickle of NumPy arrays"):
        create_separator(spec, CPU, offline=True)


def test_a_family_is_one_file_and_its_model_one_entry(tmp_path, cache, monkeypatch) -> None:
    """Those of the documentation, word for word."""
    code, entry = (textwrap.dedent(block) for block in re.findall(r"::\n\n((?:    .*\n|\n)+)", engine.__doc__))
    (tmp_path / "tilt.py").write_text(code)
    (tmp_path / "mine.toml").write_text(entry)
    save_safetensors(tmp_path / "tilt.safetensors", {"gains": torch.tensor([0.5, -2.0])}, {})
    monkeypatch.setattr(separators, "__path__", [*separators.__path__, str(tmp_path)])
    song = Audio(torch.randn(2, 44100 * 5, generator=torch.Generator().manual_seed(1)) / 10, 44100)
    vocals = create_separator(find_separator(str(tmp_path / "mine.toml")), CPU).separate(song)
    assert torch.allclose(vocals.samples, song.samples * torch.tensor([[0.5], [-2.0]]), atol=1e-6)


@pytest.mark.parametrize("name", [name for name, spec in separator_catalog().items() if spec.family == "demucs"])
def test_without_a_network(name, cache) -> None:
    spec = find_separator(name)
    with pytest.raises(WeightsError, match=rf"^{spec.files[0].name}: could not be obtained: .*offline") as caught:
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
