"""`lyricsep transcribe`: songs to timed lyrics."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    DeviceOption,
    FloorOption,
    LanguageOption,
    MinSilenceOption,
    OfflineOption,
    OffsetOption,
    OnsetOption,
    OverwriteOption,
    SeparatorOption,
    SongsArgument,
    VerboseOption,
)
from lyricsep.errors import ConfigError, LyricsepError, OutputError
from lyricsep.files import check_writable, shown
from lyricsep.formats import FORMATS, render_lyrics, write_lyrics
from lyricsep.inputs import Song, find_songs
from lyricsep.manifest import new_manifest, write_manifest
from lyricsep.presets import PRESETS, Preset, preset_for
from lyricsep.segmentation import RmsVadOptions
from lyricsep.separators import find_separator
from lyricsep.transcribers import BACKENDS, WhisperOptions, default_backend, find_model

if TYPE_CHECKING:
    import torch

    from lyricsep.pipeline import Failure, Result

__all__ = ["transcribe"]

STDOUT = Path("-")


def transcribe(
    songs: SongsArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the results, made when missing; - prints the lyrics.")
    ] = Path("lyrics"),
    formats: Annotated[
        str, typer.Option("--format", "-f", help=f"Formats, with commas between: {', '.join(FORMATS)}.")
    ] = "txt,lrc,json",
    language: LanguageOption = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="; ".join(
                f"{name}: {preset.summary} ({preset.separator} + {preset.model})" for name, preset in PRESETS.items()
            ),
            show_default="what the hardware can bear",
        ),
    ] = None,
    separator: SeparatorOption = None,
    model: Annotated[
        str | None, typer.Option(help="Whisper model: a name of `lyricsep models list`.", show_default="the preset's")
    ] = None,
    transcriber: Annotated[
        str | None,
        typer.Option(
            help=f"Who runs Whisper: {' or '.join(BACKENDS)}.", show_default="the quickest that is installed"
        ),
    ] = None,
    mix_back: Annotated[
        str | None,
        typer.Option(
            help="Share of the accompaniment mixed back into the vocals, 0 to 1. Several, with commas between: hear "
            "each segment so often and keep the most probable words.",
            show_default="0.3,0,1; paper: 0",
        ),
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option(min=1, help="Beams of Whisper's search; 1 is greedy.", show_default="5")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Segments decoded together.", show_default="8")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Start of the random numbers that retries need.", show_default="0")
    ] = None,
    timestamps: Annotated[
        bool | None,
        typer.Option(
            "--timestamps/--no-timestamps",
            help="Let Whisper time its own phrases and make them the lines; without, lines come from aligned words.",
            show_default="no",
        ),
    ] = None,
    word_times: Annotated[
        bool, typer.Option("--word-times", help="Also write the time of every word (json).")
    ] = False,
    native: Annotated[
        bool, typer.Option("--native", help="No segmentation: Whisper's own 30 s windows over the whole song.")
    ] = False,
    onset: OnsetOption = None,
    offset: OffsetOption = None,
    min_silence: MinSilenceOption = None,
    floor_db: FloorOption = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    offline: OfflineOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Turn songs into timed lyrics.

    Prints the path of every file it writes. An instrumental gives empty lyrics; a song that fails costs that song,
    and the exit code is then 1.
    """
    show_logs(verbose=verbose)
    wanted = _formats(formats)
    if output == STDOUT and len(wanted) > 1:
        wanted = wanted[:1]
    found = find_songs(songs)
    if output != STDOUT:
        check_writable(output)

    from lyricsep.devices import choose_device, describe_device

    chosen = choose_device(device)
    name, settings = _settings(preset, chosen, separator=separator, model=model)
    settings = replace(
        settings,
        segmentation=segmentation_of(
            settings.segmentation, onset=onset, offset=offset, min_silence=min_silence, floor_db=floor_db
        ),
        transcription=_changed(
            settings.transcription,
            mix_back=_shares(mix_back),
            beam_size=beam_size,
            batch_size=batch_size,
            seed=seed,
            timestamps=timestamps,
            word_times=word_times or None,
        ),
    )
    backend = transcriber or default_backend(chosen)
    separator_spec, model_spec = find_separator(settings.separator), find_model(settings.model)
    chosen_by = "" if preset else f" (chosen for {describe_device(chosen)})"
    say(
        f"preset {name}{chosen_by}: {separator_spec.name} + {model_spec.name} by {backend}, {describe_device(chosen)}"
    )
    manifest = new_manifest(
        "transcribe",
        {
            "preset": name,
            "settings": settings,
            "transcriber": backend,
            "language": language,
            "native": native,
            "formats": wanted,
        },
        [*separator_spec.files, *model_spec.files],
        describe_device(chosen),
    )

    from lyricsep.pipeline import transcribe_songs
    from lyricsep.separators import create_separator
    from lyricsep.transcribers import create_transcriber

    run = _Run(output, wanted, overwrite)
    todo = run.not_done(found)
    if todo:
        separates = create_separator(separator_spec, chosen, offline=offline)
        transcribes = create_transcriber(model_spec, chosen, settings.transcription, backend=backend, offline=offline)
        with watching(len(found)) as progress:
            for outcome in transcribe_songs(
                todo,
                separates,
                None if native else settings.segmentation,
                transcribes,
                language=language,
                on_progress=progress,
            ):
                run.take(outcome)
                progress(outcome.path, "done", 1.0)
    manifest["songs"] = run.records
    if output != STDOUT:
        write_manifest(output, manifest)
    run.sum_up(len(found))
    if run.n_failed:
        raise typer.Exit(1)


class _Run:
    """Writes results as they come and keeps the manifest's record of each song."""

    def __init__(self, output: Path, formats: list[str], overwrite: bool) -> None:
        self.output = output
        self.formats = formats
        self.overwrite = overwrite
        self.songs: dict[Path, Song] = {}
        self.records: list[dict[str, object]] = []
        self.n_failed = 0
        self.n_instrumental = 0

    def not_done(self, songs: list[Song]) -> list[Path]:
        """Refuse songs whose results exist before any work is done on them."""
        for song in songs:
            existing = [path for path in self._results(song) if path.exists()]
            if existing and not self.overwrite:
                self.fail(
                    song.path, OutputError(f"{shown(existing[0])}: exists already; add --overwrite to replace it")
                )
            else:
                self.songs[song.path] = song
        return list(self.songs)

    def take(self, outcome: Result | Failure) -> None:
        from lyricsep.pipeline import Failure

        if isinstance(outcome, Failure):
            self.fail(outcome.path, outcome.error)
            return
        try:
            written = self._write(outcome)
        except LyricsepError as error:
            self.fail(outcome.path, error)
            return
        lyrics = outcome.lyrics
        if not lyrics.segments:
            self.n_instrumental += 1
            say(f"{shown(outcome.path)}: no vocals were found; the lyrics are empty")
        doubted = sum(bool(line.flags) for line in lyrics.lines)
        if doubted:
            say(f"{shown(outcome.path)}: {doubted} of {len(lyrics.lines)} lines are doubtful (flags in the json)")
        self.records.append(
            {
                "path": str(outcome.path),
                "status": "done",
                "vocals_found": bool(lyrics.segments),
                "language": lyrics.language,
                "duration": lyrics.duration,
                "lines": len(lyrics.lines),
                "doubtful_lines": doubted,
                "seconds": {stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
                "damage": [asdict(damage) for damage in outcome.damage],
                "results": [str(path) for path in written],
            }
        )

    def fail(self, path: Path, error: LyricsepError) -> None:
        self.n_failed += 1
        say(f"failed: {error}")
        self.records.append({"path": str(path), "status": "failed", "error": str(error)})

    def sum_up(self, n_songs: int) -> None:
        if n_songs == 1:
            return
        done = n_songs - self.n_failed
        say(f"{done} of {n_songs} songs done, {self.n_instrumental} without vocals, {self.n_failed} failed")

    def _results(self, song: Song) -> list[Path]:
        if self.output == STDOUT:
            return []
        return [song.result(self.output, f".{name}") for name in self.formats]

    def _write(self, outcome: Result) -> list[Path]:
        song = self.songs[outcome.path]
        title = song.stem.name
        if self.output == STDOUT:
            typer.echo(render_lyrics(outcome.lyrics, self.formats[0], title=title), nl=False)
            return []
        written = self._results(song)
        for name, path in zip(self.formats, written, strict=True):
            write_lyrics(path, outcome.lyrics, name, overwrite=self.overwrite, title=title)
            typer.echo(path)
        return written


def segmentation_of(options: RmsVadOptions, **changes: float | None) -> RmsVadOptions:
    """Override segmentation options that were given.

    Raises
    ------
    ConfigError
        If they contradict each other.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    if "onset" in given and "offset" not in given:
        given["offset"] = min(options.offset, given["onset"])
    try:
        return replace(options, **given)  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"segmentation: {error}") from error


def _settings(preset: str | None, device: torch.device, **names: str | None) -> tuple[str, Preset]:
    name = preset or preset_for(device)
    if name not in PRESETS:
        raise ConfigError(f"no preset is called {name!r}; there are {', '.join(PRESETS)}")
    given = {key: value for key, value in names.items() if value is not None}
    return name, replace(PRESETS[name], **given)  # type: ignore[arg-type]


def _changed(options: WhisperOptions, **changes: object) -> WhisperOptions:
    try:
        return replace(options, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"transcription: {error}") from error


def _formats(names: str) -> list[str]:
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ConfigError(f"--format {names}: choose from {', '.join(FORMATS)}")
    return wanted


def _shares(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(share) for share in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--mix-back {text}: expected numbers from 0 to 1 with commas between") from error
