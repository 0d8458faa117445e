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
    QueryOption,
    SeparatorOption,
    SongsArgument,
    ThenOption,
    VerboseOption,
)
from lyricsep.cli.run import Run
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown
from lyricsep.formats import FORMATS, render_lyrics, write_lyrics
from lyricsep.manifest import new_manifest
from lyricsep.presets import PRESETS, preset_for
from lyricsep.segmentation import RmsVadOptions
from lyricsep.separators import find_separator
from lyricsep.transcribers import BACKENDS, WhisperOptions, default_backend, find_model, language_code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lyricsep.inputs import Song
    from lyricsep.pipeline import Failure, Result

__all__ = ["transcribe"]

STDOUT = Path("-")


def transcribe(
    songs: SongsArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the results, made when missing; - prints the lyrics.")
    ] = Path("lyrics"),
    formats: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help=f"Formats, with commas between: {', '.join(FORMATS)}.",
            show_default="txt,lrc,json; for --output -: txt",
        ),
    ] = None,
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
    query: QueryOption = None,
    then: ThenOption = None,
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
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Share of the accompaniment mixed back into the vocals that Whisper hears; 0 is the vocals alone, 1 "
            "the mixture.",
            show_default="0.3; paper: 0",
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
    to_stdout = output == STDOUT
    wanted = _formats(formats, to_stdout=to_stdout)
    if preset is not None and preset not in PRESETS:
        raise ConfigError(f"no preset is called {preset!r}; there are {', '.join(PRESETS)}")
    if transcriber is not None and transcriber not in BACKENDS:
        raise ConfigError(f"no transcriber is called {transcriber!r}; there are {' and '.join(BACKENDS)}")
    changes = {"onset": onset, "offset": offset, "min_silence": min_silence, "floor_db": floor_db}
    if native and any(value is not None for value in changes.values()):
        raise ConfigError("--native does not segment; leave out --onset, --offset, --min-silence and --floor-db")

    from lyricsep.devices import choose_device, describe_device

    chosen = choose_device(device)
    name = preset or preset_for(chosen)
    settings = replace(
        PRESETS[name],
        separator=separator or PRESETS[name].separator,
        model=model or PRESETS[name].model,
        segmentation=segmentation_of(PRESETS[name].segmentation, **changes),
        transcription=_changed(
            PRESETS[name].transcription,
            mix_back=mix_back,
            beam_size=beam_size,
            batch_size=batch_size,
            seed=seed,
            timestamps=timestamps,
            word_times=word_times or None,
        ),
    )
    separator_spec, model_spec = find_separator(settings.separator), find_model(settings.model)
    then_spec = find_separator(then) if then else None
    language = _language(language, model_spec.name)
    backend = transcriber or default_backend(chosen)
    say(
        f"preset {name}{'' if preset else ' (chosen for this device)'}: {separator_spec.name} + {model_spec.name} "
        f"by {backend} on {describe_device(chosen)}"
    )
    run = Run(None if to_stdout else output, [f".{name}" for name in wanted], overwrite=overwrite)
    todo = {song.path: song for song in run.find(songs)}
    options = {
        "preset": name,
        "settings": settings,
        "query": query,
        "then": then,
        "transcriber": backend,
        "language": language,
        "native": native,
        "formats": wanted,
    }
    weights = [*separator_spec.files, *(then_spec.files if then_spec else ()), *model_spec.files]

    from lyricsep.pipeline import transcribe_songs
    from lyricsep.separators import Chain, create_separator
    from lyricsep.transcribers import create_transcriber

    with run.recorded(new_manifest("transcribe", options, weights, describe_device(chosen))):
        if not todo:
            return
        separates = create_separator(separator_spec, chosen, offline=offline, query=query)
        if then_spec:
            separates = Chain(separates, create_separator(then_spec, chosen, offline=offline))
        transcribes = create_transcriber(model_spec, chosen, settings.transcription, backend=backend, offline=offline)
        with watching(len(todo)) as progress:
            for outcome in transcribe_songs(
                todo,
                separates,
                None if native else settings.segmentation,
                transcribes,
                language=language,
                on_progress=progress,
            ):
                _take(outcome, todo[outcome.path], run, wanted)
                progress(outcome.path, "done", 1.0)


def _take(outcome: Result | Failure, song: Song, run: Run, formats: Sequence[str]) -> None:
    """Write the lyrics of a song, or say why there are none."""
    from lyricsep.pipeline import Failure

    if isinstance(outcome, Failure):
        run.fail(song.path, outcome.error)
        return
    lyrics = outcome.lyrics
    # A name need not be text; the title in a file must be.
    title = shown(Path(song.stem.name))
    try:
        for name, path in zip(formats, run.results(song), strict=False):
            write_lyrics(path, lyrics, name, overwrite=run.overwrite, title=title)
    except LyricsepError as error:
        run.fail(song.path, error)
        return
    if run.output is None:
        typer.echo(render_lyrics(lyrics, formats[0], title=title), nl=False)
    doubted = sum(bool(line.flags) for line in lyrics.lines)
    run.done(
        song,
        vocals_found=bool(lyrics.segments),
        language=lyrics.language,
        duration=lyrics.duration,
        lines=len(lyrics.lines),
        doubtful_lines=doubted,
        seconds={stage: round(seconds, 3) for stage, seconds in outcome.seconds.items()},
        damage=[asdict(damage) for damage in outcome.damage],
    )
    if doubted:
        where = " (flags in the json)" if "json" in formats else ""
        say(f"{shown(song.path)}: {doubted} of {len(lyrics.lines)} lines are doubtful{where}")


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
        # The rule that is broken says it all; the message goes on with all the options.
        raise ConfigError(f"segmentation: {str(error).partition(', got ')[0]}") from error


def _changed(options: WhisperOptions, **changes: object) -> WhisperOptions:
    try:
        return replace(options, **{name: value for name, value in changes.items() if value is not None})  # type: ignore[arg-type]
    except ValueError as error:
        raise ConfigError(f"transcription: {error}") from error


def _formats(names: str | None, *, to_stdout: bool) -> list[str]:
    if names is None:
        return ["txt"] if to_stdout else ["txt", "lrc", "json"]
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown or not wanted:
        raise ConfigError(f"--format {names}: choose from {', '.join(FORMATS)}")
    if to_stdout and len(wanted) > 1:
        raise ConfigError(f"--format {names}: --output - prints one format; choose one, or a folder for --output")
    return wanted


def _language(name: str | None, model: str) -> str | None:
    if name is None:
        return None
    code = language_code(name)
    if model.endswith(".en") and code != "en":
        raise ConfigError(
            f"--language {name}: {model} knows English alone; choose --model {model.removesuffix('.en')}"
        )
    return code
