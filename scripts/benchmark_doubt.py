"""Does doubt point at errors? How well the confidence in words and lines predicts which are wrong.

    lyricsep transcribe ../shared/jam-alt/subsets -o heard --preset fast --format json
    python scripts/benchmark_doubt.py heard ../shared/jam-alt

Prints a table in Markdown. The chance that a word is right is a logistic function of its probability and of the
log-probability of its segment (`lyricsep.transcribers.guard`). It is fitted here for each song on the others, so that
no song is judged by what was fitted on it; the last row has the constants of the product, fitted on all of them.

    python scripts/benchmark_doubt.py intros ../shared/jam-alt --make-intros
    lyricsep transcribe intros -o heard-intros --preset fast --format json
    python scripts/benchmark_doubt.py heard-intros ../shared/jam-alt --intro 60

puts a minute of a song's own accompaniment, from where most is sung, in front of it, and counts the lines that are
heard there, which nobody sings.

AUC: the chance that a right word has more confidence than a wrong one. Calibration error: how far, in bins of a
tenth, the mean confidence lies from the share that is right. A line is wrong if fewer than half of its words are
right, and doubted if their mean confidence is below a half; wrong is the share of the doubted lines that is wrong,
found the share of the wrong lines that is doubted.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

RATE = 16_000  # samples a second
INTRO = 60  # seconds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A word that was heard, and whether it is right."""

    song: str
    line: int
    probability: float
    avg_logprob: float
    is_left_out: bool
    is_right: bool


def judged_words(heard: Path, references: str) -> Iterator[Judged]:
    """Yield the words of transcriptions that have a reference."""
    from lyricsep.lyrics import INVENTED
    from lyricsep.pages import SongSound, find_results, named_references, song_content

    results = find_results(heard)
    _, known = named_references(references, None, results)
    for found in results.songs:
        if found.name not in known:
            continue
        content = song_content(found, reference=known[found.name], audio="none", sound=SongSound())
        for row in content["reference"]["rows"]:
            if row["line"] is None:
                continue
            line = content["lines"][row["line"]]
            for word in row["words"]:
                decoded = [one for one in content["decodings"] if one["start"] <= line["start"] + 1e-3]
                if word.get("word") is not None and decoded:
                    yield Judged(
                        found.name,
                        row["line"],
                        line["words"][word["word"]]["probability"],
                        decoded[-1]["avg_logprob"],
                        INVENTED in line["flags"],
                        word["kind"] == "hit",
                    )


def make_intros(folder: Path, references: str) -> None:
    """Write every song of a dataset, mono at 16 kHz, behind `INTRO` seconds of its accompaniment."""
    from lyricsep.audio import Audio, save_audio
    from lyricsep.datasets import open_dataset
    from lyricsep.plan import SeparateOptions, resolve
    from lyricsep.session import Session

    session = Session(resolve(SeparateOptions(separator="spleeter")))
    for song in open_dataset(references).songs:
        if song.audio is None:
            continue
        signals = session.load_signals(song.audio).recorded()
        loudness = np.add.reduceat(signals.vocals**2, np.arange(0, len(signals.vocals), RATE))
        start = int(np.argmax(np.convolve(loudness, np.ones(INTRO), "valid"))) * RATE
        intro = (signals.mixture - signals.vocals)[start : start + INTRO * RATE]
        whole = torch.from_numpy(np.concatenate([intro, signals.mixture]))[None]
        folder.mkdir(exist_ok=True)
        save_audio(folder / f"{song.audio.stem}.wav", Audio(whole, RATE), overwrite=True)


def count_intros(heard: Path, seconds: float) -> None:
    """Print how many lines start in the intro, how many of them are left out, and how many others are."""
    from lyricsep.formats import find_lyrics, read_lyrics
    from lyricsep.lyrics import INVENTED

    lines = [line for path in find_lyrics(heard, [".json"]).values() for line in read_lyrics(path).lines]
    early = [INVENTED in line.flags for line in lines if line.start < seconds]
    others = [INVENTED in line.flags for line in lines if line.start >= seconds]
    print(f"{len(early)} lines in the intros, {sum(early)} of them left out; of {len(others)} others {sum(others)}")


def inputs_of(words: Sequence[Judged]) -> Numbers:
    """Return the inputs of the logistic function, shape (n_words, 3)."""
    from lyricsep.transcribers.guard import SUREST

    kept = np.clip([word.probability for word in words], 1 - SUREST, SUREST)
    return np.column_stack([np.ones(len(words)), np.log(kept / (1 - kept)), [word.avg_logprob for word in words]])


def fit(inputs: Numbers, is_right: Numbers) -> Numbers:
    """Return the weights of a logistic regression, by Newton's method."""
    weights = np.zeros(inputs.shape[1])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        curvature = inputs.T @ (inputs * (chance * (1 - chance))[:, None])
        weights -= np.linalg.solve(curvature, inputs.T @ (chance - is_right))
    return weights


def auc(scores: Numbers, is_positive: Numbers) -> float:
    """Return the chance that a positive has a higher score than a negative; ties count half."""
    positive, negative = scores[is_positive == 1], scores[is_positive == 0]
    return float(np.mean(np.sign(positive[:, None] - negative[None]) / 2 + 0.5))


def calibration_error(chances: Numbers, is_right: Numbers) -> float:
    """Return the mean distance of confidence and share of right words, over ten bins."""
    bins = np.minimum((chances * 10).astype(int), 9)
    means = [(np.mean(bins == b), chances[bins == b], is_right[bins == b]) for b in np.unique(bins)]
    return float(sum(share * abs(chance.mean() - right.mean()) for share, chance, right in means))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    from lyricsep.transcribers.guard import CONSTANT, DOUBTFUL, PER_LOGIT, PER_LOGPROB

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("heard", type=Path, help="folder of transcriptions, as json")
    parser.add_argument("references", help="a dataset, or a folder of lyrics")
    parser.add_argument("--make-intros", action="store_true", help="write the songs of the dataset with intros")
    parser.add_argument("--intro", type=float, help="seconds of accompaniment in front of the songs")
    options = parser.parse_args(arguments)
    if options.make_intros:
        make_intros(options.heard, options.references)
        return
    if options.intro:
        count_intros(options.heard, options.intro)
        return

    words = list(judged_words(options.heard, options.references))
    songs = np.array([word.song for word in words])
    is_right = np.array([word.is_right for word in words], float)
    inputs = inputs_of(words)
    held_out = np.zeros(len(words))
    for song in np.unique(songs):
        others = songs != song
        held_out[~others] = 1 / (1 + np.exp(-inputs[~others] @ fit(inputs[others], is_right[others])))
    raw = np.array([word.probability for word in words])
    ours = 1 / (1 + np.exp(-inputs @ np.array([CONSTANT, PER_LOGIT, PER_LOGPROB])))
    print(f"{len(words)} words of {len(np.unique(songs))} songs, {100 * is_right.mean():.1f} % of them right\n")
    print("| confidence | AUC of words | calibration error | AUC of lines | doubted | wrong % | found % |")
    print("|---|---|---|---|---|---|---|")
    lines = [[at for at, word in enumerate(words) if (word.song, word.line) == key] for key in _lines_of(words)]
    is_wrong = np.array([is_right[line].mean() < 0.5 for line in lines], float)
    for name, chances in (("Whisper's probability", raw), ("held out", held_out), ("as in the product", ours)):
        of_lines = np.array([chances[line].mean() for line in lines])
        doubted = of_lines < DOUBTFUL
        print(
            f"| {name} | {auc(chances, is_right):.3f} | {calibration_error(chances, is_right):.3f} "
            f"| {auc(-of_lines, is_wrong):.3f} | {doubted.sum()} of {len(lines)} "
            f"| {100 * is_wrong[doubted].mean() if doubted.any() else 0:.0f} "
            f"| {100 * doubted[is_wrong == 1].mean():.0f} |"
        )
    left_out = [word for word in words if word.is_left_out]
    n_lines, n_right = len(_lines_of(left_out)), sum(word.is_right for word in left_out)
    print(f"\n{n_lines} lines are left out of formats with times: {len(left_out)} words, {n_right} of them right")
    print(f"Fitted on all songs: {', '.join(f'{weight:.2f}' for weight in fit(inputs, is_right))}")


def _lines_of(words: Sequence[Judged]) -> list[tuple[str, int]]:
    return list(dict.fromkeys((word.song, word.line) for word in words))


if __name__ == "__main__":
    main()
