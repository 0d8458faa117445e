"""Separators that run in their own environment: WAV in, WAV out, by any command.

For systems whose dependencies conflict with ours. What to run is data: the ``settings`` of a catalogue entry, or a
TOML file of your own (separator ``./mine.toml``) with the same keys::

    summary = "Our own network"            # this one and those above [settings] may be left out
    generative = false
    query = "text"

    [settings]
    command = ["{python}", "separate.py", "{input}", "{output_dir}", "{query}", "{device}"]
    output = "vocals.wav"                  # a pattern, relative to {output_dir}, that one file matches
    sample_rate = 44100                    # of the WAV files, in and out
    channels = 2                           # of the WAV that goes in
    time_limit = 3600                      # seconds for a song
    query_default = "singing voice"
    python = "~/envs/mine"                 # the environment, or its interpreter
    folder = "."                           # where the command runs

Arguments of the command may hold ``{input}`` (a 32 bit float WAV), ``{input_dir}`` (the folder that holds only
that), ``{output_dir}`` (an empty folder), ``{query}``, ``{device}`` (``cpu``, ``cuda:1``, ...), ``{python}`` (the
interpreter of the environment) and ``{env}`` (its folder). The environment is named by ``LYRICSEP_ENV_<NAME>``, else
by ``python``. The command runs in ``folder``, by default that of the TOML file, or of the environment. Paths are
relative to the TOML file.

There is no shell. What the command wrote is checked: one file, readable, finite, of the rate and the length (within
0.1 s) of what it got. Samples must keep their gain; nothing can check that.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lyricsep.audio import AudioWriter, StreamResampler, downmix, open_audio
from lyricsep.documents.fields import FieldError, from_json
from lyricsep.errors import AudioError, ConfigError, OutputError, reason_of
from lyricsep.files import at_home, shown
from lyricsep.separators.base import Mixture, Separator, SeparatorSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lyricsep.audio import AudioReader

logger = logging.getLogger(__name__)

TOLERANCE = 0.1  # seconds that a command may add or cut at the end
TIME_LIMIT = 3600.0  # seconds for a song: generative models on a CPU take their time
GRACE = 2.0  # seconds between asking a command to stop and making it
LAST_WORDS = 64 * 1024  # bytes at the end of what a command wrote to stderr that are looked at

_PLACEHOLDER = re.compile(r"\{(input|input_dir|output_dir|query|device|python|env)\}")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_PROGRESS = re.compile(r"\d+%\|")  # as tqdm draws it


@dataclass(frozen=True)
class Recipe:
    """What to run, and what goes in and out; the module describes the keys."""

    command: tuple[str, ...]
    output: str
    sample_rate: int
    channels: int
    time_limit: float = TIME_LIMIT
    query_default: str = ""
    python: str = ""
    folder: str = ""

    @classmethod
    def of(cls, spec: SeparatorSpec) -> Recipe:
        """Read the settings of a spec; raise a `ConfigError` if a key is missing, unknown, or of another kind."""
        try:
            recipe: Recipe = from_json(cls, dict(spec.settings), closed=True)
        except FieldError as error:
            raise ConfigError(f"{spec.name}: its settings are not a recipe: {error}; correct the recipe") from error
        return recipe

    def __post_init__(self) -> None:
        """Check the recipe."""
        used = {name for argument in self.command for name in _PLACEHOLDER.findall(argument)}
        if "output_dir" not in used or not used & {"input", "input_dir"}:
            raise ValueError("command needs {input} or {input_dir}, and {output_dir}, among its arguments")
        pattern = Path(self.output)
        if not self.output or pattern.is_absolute() or ".." in pattern.parts:
            raise ValueError(f"output is a pattern below the output folder, got {self.output!r}")
        for key, value in (("sample_rate", self.sample_rate), ("channels", self.channels)):
            if value < 1:
                raise ValueError(f"{key} is at least 1, got {value}")
        if not 0 < self.time_limit < float("inf"):
            raise ValueError(f"time_limit is a number of seconds above 0, got {self.time_limit}")

    @property
    def needs_environment(self) -> bool:
        """Whether the command names the environment."""
        return any(name in ("python", "env") for part in self.command for name in _PLACEHOLDER.findall(part))

    def arguments(self, values: Mapping[str, str]) -> list[str]:
        """Return the arguments with their placeholders filled; other braces are kept."""
        return [_PLACEHOLDER.sub(lambda match: values[match[1]], argument) for argument in self.command]


class Bridge(Separator):
    """Runs a command of another environment on a song.

    The song goes to the command whole: the mean of its channels for a command that takes one, its channels where
    there are as many, else that mean in each. Vocals come back to all channels by the same rule.

    Parameters
    ----------
    spec : SeparatorSpec
        Of the family ``exec``.
    device : torch.device
        What ``{device}`` says.
    query : str, optional
        What ``{query}`` says; by default the recipe's.
    offline : bool
        Tell the command, by the variables that the hub's libraries know, to open no connection.

    Raises
    ------
    ConfigError
        If the recipe makes no sense, or the environment is not there.
    """

    def __init__(
        self, spec: SeparatorSpec, device: torch.device, *, query: str | None = None, offline: bool = False
    ) -> None:
        self.name = spec.name
        self.recipe = Recipe.of(spec)
        self._python = _find_python(spec, self.recipe) if self.recipe.needs_environment else None
        self._device = str(device)
        self._query = self.recipe.query_default if query is None else query
        self._offline = offline

    def stream(self, mixture: Mixture) -> Iterator[Tensor]:
        """Yield consecutive blocks of vocals, together as long as the mixture.

        Raises
        ------
        AudioError
            If the command fails, hangs, or gives something else than vocals.
        ConfigError
            If it cannot be started.
        """
        with tempfile.TemporaryDirectory(prefix="lyricsep-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            # The song's own name may be one that the command trips over.
            song = folder / "input" / "mixture.wav"
            n_samples = self._write(mixture, song)
            if not n_samples:
                return
            (folder / "output").mkdir()
            self._run(song, folder)
            vocals = self._find(folder / "output")
            self._check(vocals, n_samples / mixture.sample_rate)
            yield from self._read(vocals, mixture, n_samples)

    def _write(self, mixture: Mixture, path: Path) -> int:
        """Write the song in the format of the command; return its number of samples at its own rate."""
        rate, n_channels = self.recipe.sample_rate, self.recipe.channels
        resampler = StreamResampler(mixture.sample_rate, rate, n_channels)
        n_samples = 0
        try:
            with AudioWriter(path, rate, n_channels) as writer:
                for block in mixture.blocks:
                    n_samples += block.shape[-1]
                    writer.write(resampler.feed(_with_channels(block, n_channels)))
                writer.write(resampler.flush())
        except OutputError as error:
            raise OutputError(
                f"{self.name}: the song cannot be passed to its command ({error.args[0]})",
                hint="free some space, or set TMPDIR to a folder with more space",
            ) from error
        return n_samples

    def _run(self, song: Path, folder: Path) -> None:
        """Run the command until it ends or times out; none of its processes is left running."""
        env = _folder_of(self._python)
        values = {
            "input": str(song),
            "input_dir": str(song.parent),
            "output_dir": str(folder / "output"),
            "query": self._query,
            "device": self._device,
            "python": str(self._python),
            "env": str(env),
        }
        arguments = self.recipe.arguments(values)
        errors = folder / "stderr"
        with errors.open("wb") as stderr, (folder / "stdout").open("wb") as stdout:
            try:
                process = subprocess.Popen(
                    arguments,
                    cwd=self.recipe.folder or env or folder,
                    env=_environment(offline=self._offline),
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    start_new_session=True,
                )
            except (OSError, ValueError) as error:
                raise ConfigError(
                    f"{self.name}: {shown(Path(arguments[0]))} cannot be started in "
                    f"{shown(Path(self.recipe.folder or env or folder))} ({reason_of(error)}); correct the recipe or "
                    f"{environment_variable(self.name)}"
                ) from error
            try:
                code = process.wait(self.recipe.time_limit)
            except subprocess.TimeoutExpired as error:
                raise AudioError(
                    f"{self.name}: stopped, since it did not finish within {self.recipe.time_limit:g} s"
                    f"{self._last_words(folder)}; use a faster device, or a recipe with a longer time_limit"
                ) from error
            finally:
                _stop(process)
        if code:
            raise AudioError(
                f"{self.name}: its command failed with {_exit(code)}{self._last_words(folder)}",
                hint="log level INFO ({verbose=True}) shows the last 40 lines of its output",
            )

    def _last_words(self, folder: Path) -> str:
        """Return the last line with text, from stderr or else stdout, and log the lines before it."""
        for log in (folder / "stderr", folder / "stdout"):
            with log.open("rb") as handle:
                handle.seek(max(0, log.stat().st_size - LAST_WORDS))
                text = handle.read().decode("utf-8", errors="replace")
            lines = [_cleaned(line) for line in re.split(r"[\r\n]+", text)]
            said = [line for line in lines if re.search(r"[^\W_]{2}", line) and not _PROGRESS.search(line)]
            if said:
                logger.info("%s: its %s ended with\n%s", self.name, log.name, "\n".join(said[-40:]))
                return f": {said[-1].strip()[:300]}"
        return " (it printed nothing)"

    def _find(self, folder: Path) -> Path:
        found = sorted(path for path in folder.glob(self.recipe.output) if path.is_file())
        if len(found) == 1:
            return found[0]
        written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        names = ", ".join(shown(path) for path in written[:5]) or "nothing"
        raise AudioError(
            f"{self.name}: expected one file {self.recipe.output}, got {len(found)} (its command wrote {names}"
            f"{', ...' if len(written) > 5 else ''}){self._last_words(folder.parent)}; correct `output` in the "
            "recipe, or run the command yourself to see why"
        )

    def _check(self, path: Path, duration: float) -> None:
        """Check the whole output of the command before any of it is returned."""
        rate = self.recipe.sample_rate
        with self._open(path) as reader:
            if reader.sample_rate != rate:
                raise self._wrong(path, f"{rate} Hz", f"{reader.sample_rate} Hz")
            n_samples = sum(block.shape[-1] for block in reader.blocks())
            if reader.damage:  # NaN and infinity are damage, too
                raise self._wrong(path, "a sound file without damage", reader.damage[0].reason)
        if abs(n_samples / rate - duration) > TOLERANCE:
            raise self._wrong(path, f"{duration:.2f} s", f"{n_samples / rate:.2f} s")

    def _read(self, path: Path, mixture: Mixture, n_samples: int) -> Iterator[Tensor]:
        """Yield the vocals at the song's rate and channels, cut or padded to its length."""
        import torch

        resampler = StreamResampler(self.recipe.sample_rate, mixture.sample_rate, mixture.n_channels)
        n_given = 0

        def resampled() -> Iterator[Tensor]:
            for block in reader.blocks():
                yield resampler.feed(_with_channels(block, mixture.n_channels))
            yield resampler.flush()

        with self._open(path) as reader:
            for block in resampled():
                wanted = block[:, : n_samples - n_given]
                n_given += wanted.shape[-1]
                yield wanted
        yield torch.zeros(mixture.n_channels, n_samples - n_given)

    def _open(self, path: Path) -> AudioReader:
        try:
            return open_audio(path)
        except AudioError as error:
            raise AudioError(
                f"{self.name}: the output of its command cannot be read ({error})",
                hint="run the command yourself to see why",
            ) from error

    def _wrong(self, path: Path, expected: str, got: str) -> AudioError:
        return AudioError(
            f"{self.name}: its command wrote {shown(Path(path.name))} with {got}, expected {expected}; "
            "correct the recipe, or run the command yourself to see why"
        )


def environment_variable(name: str) -> str:
    """Return the name of the variable that holds the environment of a separator: ``LYRICSEP_ENV_FLOWSEP``."""
    return "LYRICSEP_ENV_" + re.sub(r"\W", "_", name).upper()


def has_environment(spec: SeparatorSpec) -> bool:
    """Return whether the environment of a separator, or its program, is installed; nothing is run."""
    try:
        recipe = Recipe.of(spec)
        if not recipe.needs_environment:
            return shutil.which(recipe.command[0]) is not None
        _find_python(spec, recipe)
    except ConfigError:
        return False
    return True


def _find_python(spec: SeparatorSpec, recipe: Recipe) -> Path:
    variable = environment_variable(spec.name)
    named = os.environ.get(variable) or recipe.python
    if not named:
        how = f"`lyricsep models show {spec.name}` says how to make it" if spec.setup else "make it"
        raise ConfigError(f"{spec.name}: needs its own environment; {how}, then set {variable} to its folder")
    # Not resolved: the interpreter of an environment is often a link, and is another one behind it.
    path = at_home(named).absolute()
    candidates = [path / "bin" / "python", path / "Scripts" / "python.exe", path / "python.exe"]
    for candidate in candidates if path.is_dir() else [path]:
        if candidate.is_file():
            return candidate
    origin = variable if os.environ.get(variable) else "`python` in its recipe"
    raise ConfigError(f"{spec.name}: {shown(path)} is neither an environment nor an interpreter; correct {origin}")


def _folder_of(python: Path | None) -> Path | None:
    """Return the folder of an environment from the path of its interpreter."""
    if python is None:
        return None
    return python.parent.parent if python.parent.name in ("bin", "Scripts") else python.parent


def _environment(*, offline: bool) -> dict[str, str]:
    """Return the environment variables of the command: ours, without those that expose our packages to its Python."""
    ours = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"}
    variables = {key: value for key, value in os.environ.items() if key not in ours}
    variables["PYTHONNOUSERSITE"] = "1"
    if offline or os.environ.get("LYRICSEP_OFFLINE", "") not in ("", "0"):
        variables |= {"LYRICSEP_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    return variables


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and all processes it started, even if it has ended itself."""
    try:
        _signal(process, "SIGTERM")
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    finally:
        _signal(process, "SIGKILL")
        with suppress(subprocess.TimeoutExpired):  # one that waits for a broken disk cannot even be killed
            process.wait(GRACE)


def _signal(process: subprocess.Popen[bytes], name: str) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    # Gone already; macOS says of a group of dead processes that it may not be told.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.Signals[name])


def _exit(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name if -code in {*signal.Signals} else f"signal {-code}"
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def _with_channels(block: Tensor, n_channels: int) -> Tensor:
    if block.shape[0] == n_channels:
        return block
    return downmix(block).expand(n_channels, -1)


def _cleaned(line: str) -> str:
    return "".join(c for c in _ESCAPES.sub("", line) if c.isprintable())
