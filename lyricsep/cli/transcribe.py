"""`lyricsep transcribe`: songs to timed lyrics."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import (
    BatchSizeOption,
    BeamSizeOption,
    DeviceOption,
    FloorOption,
    FormatsOption,
    LanguageOption,
    MinSilenceOption,
    MixBackOption,
    ModelOption,
    NativeOption,
    NoRepeatOption,
    OfflineOption,
    OffsetOption,
    OnsetOption,
    OverwriteOption,
    PlotOption,
    PresetOption,
    QueryOption,
    SeedOption,
    SeparatorOption,
    SongsArgument,
    TemperaturesOption,
    ThenOption,
    TimestampsOption,
    TranscriberOption,
    VerboseOption,
    WordTimesOption,
)
from lyricsep.cli.plots import draw_song, plot_suffixes
from lyricsep.cli.run import Run
from lyricsep.cli.settings import choose_work, chosen_formats, chosen_languages, chosen_sizes, chosen_temperatures
from lyricsep.errors import ConfigError, LyricsepError
from lyricsep.files import shown
from lyricsep.formats import file_suffixes, render_lyrics, write_lyrics
from lyricsep.manifest import new_manifest
from lyricsep.remote import renamed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lyricsep.inputs import SongFile
    from lyricsep.pipeline import Failure, Result
    from lyricsep.segmentation import RmsVadOptions

__all__ = ["transcribe"]

STDOUT = Path("-")


def transcribe(
    songs: SongsArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the results, made when missing; - prints the lyrics.")
    ] = Path("lyrics"),
    formats: FormatsOption = None,
    language: LanguageOption = None,
    preset: PresetOption = None,
    separator: SeparatorOption = None,
    query: QueryOption = None,
    then: ThenOption = None,
    model: ModelOption = None,
    transcriber: TranscriberOption = None,
    mix_back: MixBackOption = None,
    beam_size: BeamSizeOption = None,
    batch_size: BatchSizeOption = None,
    no_repeat: NoRepeatOption = None,
    temperatures: TemperaturesOption = None,
    seed: SeedOption = None,
    timestamps: TimestampsOption = None,
    word_times: WordTimesOption = False,
    native: NativeOption = False,
    onset: OnsetOption = None,
    offset: OffsetOption = None,
    min_silence: MinSilenceOption = None,
    floor_db: FloorOption = None,
    plot: PlotOption = None,
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
    wanted = chosen_formats(formats, to_stdout=to_stdout)
    plots = plot_suffixes(plot)
    if plots and to_stdout:
        raise ConfigError(f"--plot {plot}: --output - prints the lyrics alone; choose a folder for --output")

    from lyricsep.devices import choose_device, describe_device

    chosen = choose_device(device)
    name, work, language = choose_work(
        chosen,
        language=language,
        preset=preset,
        separator=separator,
        query=query,
        then=then,
        model=model,
        transcriber=transcriber,
        native=native,
        segmentation={"onset": onset, "offset": offset, "min_silence": min_silence, "floor_db": floor_db},
        transcription={
            "mix_back": mix_back,
            "beam_size": beam_size,
            "batch_size": batch_size,
            "no_repeat_ngram_sizes": chosen_sizes(no_repeat),
            "temperatures": chosen_temperatures(temperatures),
            "seed": seed,
            "timestamps": timestamps,
            "word_times": word_times or "elrc" in wanted or None,
        },
    )
    run = Run(None if to_stdout else output, [*file_suffixes(wanted), *plots], overwrite=overwrite)
    found = run.find(songs, remote=True, offline=offline)
    languages = chosen_languages(found, language, work.settings.model)
    coming = _Coming(found, languages)
    options = {"preset": name, **vars(work), "language": language, "formats": wanted, "plot": plot}

    from lyricsep.pipeline import transcribe_songs

    with run.recorded(new_manifest("transcribe", options, work.weights, describe_device(chosen))):
        if not found:
            return
        separates = work.load_separator(chosen, offline=offline)
        transcribes = work.load_transcriber(chosen, offline=offline)
        segmentation = None if native else work.settings.segmentation
        with watching(len(found)) as progress:
            for outcome in transcribe_songs(
                coming,
                separates,
                segmentation,
                transcribes,
                language=languages,
                keep_heard=bool(plots),
                on_progress=progress,
            ):
                _take(outcome, coming, run, wanted, segmentation)
                progress(outcome.path, "done", 1.0)


class _Coming:
    """The paths of songs, as the pipeline asks for them; remote ones are fetched then, and removed after.

    Parameters
    ----------
    songs : sequence of SongFile
        In order.
    languages : dict
        By the paths of the songs; those of copies are added.
    """

    def __init__(self, songs: Sequence[SongFile], languages: dict[Path, str | None]) -> None:
        self._songs = songs
        self._languages = languages
        self._by_path: dict[Path, SongFile] = {}
        self._failures: dict[Path, LyricsepError] = {}

    def __iter__(self) -> Iterator[Path]:
        for song in self._songs:
            self._by_path[song.path] = song
            try:
                with song.at_hand() as copy:
                    self._by_path[copy.path] = song
                    self._languages[copy.path] = self._languages[song.path]
                    yield copy.path
            except LyricsepError as error:
                # No file is there, so the pipeline gives it back as a failure, in its turn.
                self._failures[song.path] = error
                yield song.path

    def song(self, path: Path) -> SongFile:
        """Give the song that came as this path."""
        return self._by_path[path]

    def error(self, failure: Failure) -> LyricsepError:
        """Say why a song failed, by the name that the user knows."""
        song = self._by_path[failure.path]
        if song.path in self._failures:
            return self._failures[song.path]
        return renamed(failure.error, failure.path, song.name)


def _take(
    outcome: Result | Failure,
    coming: _Coming,
    run: Run,
    formats: Sequence[str],
    segmentation: RmsVadOptions | None,
) -> None:
    """Write the lyrics of a song, and its plots where what was heard was kept; or say why there are none."""
    from lyricsep.pipeline import Failure

    song = coming.song(outcome.path)
    if isinstance(outcome, Failure):
        run.fail(song.name, coming.error(outcome))
        return
    lyrics = outcome.lyrics
    # A name need not be text; the title in a file must be.
    title = shown(Path(song.stem.name))
    try:
        for name, path in zip(formats, run.results(song), strict=False):
            write_lyrics(path, lyrics, name, overwrite=run.overwrite, title=title)
        if outcome.heard:
            plots = run.results(song)[len(formats) :]
            drawn = lyrics.segments, segmentation
            draw_song(plots, outcome.heard, *drawn, lines=lyrics.lines, title=title, overwrite=run.overwrite)
    except LyricsepError as error:
        run.fail(song.name, error)
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
        say(f"{song.name}: {doubted} of {len(lyrics.lines)} lines are doubtful{where}")
