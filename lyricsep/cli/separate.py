"""`lyricsep separate`: songs to their stems."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from lyricsep.audio import SOUND_FORMATS
from lyricsep.cli.console import say, show_logs, watching
from lyricsep.cli.options import LocalSongsArgument, OutputOption, OverwriteOption, VerboseOption, with_options
from lyricsep.cli.run import CommandRun
from lyricsep.errors import AudioError, ConfigError, LyricsepError
from lyricsep.files import shown
from lyricsep.inputs import find_songs
from lyricsep.manifest import new_manifest
from lyricsep.plan import SeparateOptions, resolve
from lyricsep.signals import STEMS, save_stems

if TYPE_CHECKING:
    from lyricsep.audio import Audio
    from lyricsep.scoring.separation import SeparationScore
    from lyricsep.tables import Table

METRIC_NAMES = {
    "si_sdr": "SI-SDR [dB]",
    "sdr": "SDR [dB]",
    "bss_sdr": "SDR, median of 1 s [dB]",
    "mr_stft": "MR-STFT (lower is better)",
}


@with_options
def separate(
    songs: LocalSongsArgument,
    output: OutputOption = Path("vocals"),
    file_format: Annotated[
        str,
        typer.Option(
            "--format", "-f", help="Format of the stems: wav (32-bit float), flac (24-bit), mp3 or opus (lossy)."
        ),
    ] = "wav",
    stems: Annotated[
        str,
        typer.Option(help=f"Comma-separated stems: {', '.join(STEMS)}; the last two are the song without vocals."),
    ] = "vocals",
    two_stems: Annotated[
        str | None,
        typer.Option(metavar="STEM", help="As in Demucs: vocals means --stems vocals,accompaniment.", hidden=True),
    ] = None,
    *,
    options: SeparateOptions,
    reference: Annotated[
        Path | None,
        typer.Option(
            help="File with the true vocals of a single song, to score the separated vocals against.",
            show_default="none",
            dir_okay=False,
        ),
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Number of chunks separated at once.", show_default="1 on a CPU, else 8")
    ] = None,
    overwrite: OverwriteOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Separate the vocals of songs.

    Writes NAME.vocals.wav with the sample rate, channels, length and level of the song, and prints its path. With
    --stems vocals,accompaniment also writes NAME.accompaniment.wav; the two add up to the song, unless the format is
    lossy. With --reference, also prints how close the vocals are to the reference.
    """
    show_logs(verbose=verbose)
    if file_format not in SOUND_FORMATS:
        raise ConfigError(f"--format {file_format}: choose from {', '.join(SOUND_FORMATS)}")
    if two_stems is not None and two_stems != "vocals":
        raise ConfigError(f"--two-stems {two_stems}: only vocals and their accompaniment are separated")
    names = _stems("vocals,accompaniment" if two_stems else stems)
    if reference and "vocals" not in names:
        raise ConfigError(f"--reference {shown(reference)}: scores the vocals; add them to --stems")
    if reference and len(find_songs(songs).songs) > 1:
        raise ConfigError(f"--reference {shown(reference)}: belongs to one song; name a single song")

    from lyricsep.audio import load_audio

    plan = resolve(options)
    run = CommandRun(output, [f".{name}.{file_format}" for name in names], overwrite=overwrite)
    say(plan.summary)
    todo = run.find(songs)
    if reference and any(path.resolve() == reference.resolve() for song in todo for path in run.results(song)):
        raise ConfigError(
            f"--reference {shown(reference)}: the separated vocals would overwrite it; choose another --output"
        )
    # Read it before the work, so that a wrong name fails at once.
    true_vocals = load_audio(reference) if reference and todo else None
    is_generative = any(spec.generative for spec in plan.separators)
    manifest = new_manifest("separate", plan, format=file_format, stems=names, reference=reference)
    with run.recorded(manifest, plan.weights):
        if not todo:
            return
        separates = plan.load_separator(batch_size=batch_size)
        with watching(len(todo)) as progress:
            for song in todo:
                started = perf_counter()
                try:
                    targets = dict(zip(names, run.results(song), strict=True))
                    damage = save_stems(
                        song.path, targets, separates, track=plan.track, overwrite=overwrite, on_progress=progress
                    )
                    seconds = round(perf_counter() - started, 3)
                    score = None
                    if true_vocals:
                        progress(song.path, "scoring", 0.0)
                        score = _score(true_vocals, targets["vocals"])
                except LyricsepError as error:
                    run.fail(song.path, error)
                    progress(song.path, "failed", 1.0)
                else:
                    run.done(
                        song,
                        seconds={"separate": seconds},
                        damage=[asdict(one) for one in damage],
                        quality=score.as_document() if score else None,
                    )
                    if score:
                        typer.echo(_table(score, is_generative=is_generative).text(), nl=False)
                    progress(song.path, "done", 1.0)


def _stems(names: str) -> list[str]:
    """Read the value of ``--stems``."""
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",")))
    if not set(wanted) <= set(STEMS):
        raise ConfigError(
            f"--stems {names}: separators give {', '.join(STEMS)} (the last two are the same); choose from these"
        )
    return wanted


def _score(stem: Audio, target: Path) -> SeparationScore:
    """Compare the vocals as they were written with the stem."""
    from lyricsep.audio import load_audio
    from lyricsep.scoring.separation import available_metrics, score_separation

    try:
        return score_separation(stem, load_audio(target), available_metrics())
    except AudioError as error:
        raise AudioError(f"{shown(target)}: written, but not compared with --reference: {error}") from error


def _table(score: SeparationScore, *, is_generative: bool) -> Table:
    from lyricsep.tables import Table

    values = {metric: getattr(score, metric) for metric in METRIC_NAMES}
    rows = tuple(
        (METRIC_NAMES[metric], "–" if value is None or math.isnan(value) else f"{value:z.2f}")
        for metric, value in values.items()
    )
    notes = []
    if score.mr_stft is None:
        notes.append("MR-STFT needs a library: pip install 'lyricsep[quality]'")
    if is_generative:
        # Spearman with the ratings of listeners: Bereuter et al., WASPAA 2025.
        notes.append(
            "warning: this separator generates its vocals, so compare it by MR-STFT, not by SDR (rank correlation "
            "with listeners: 0.72 against 0.18)"
        )
    return Table("", ("vocals against the reference", "value"), rows, 1, tuple(notes))
