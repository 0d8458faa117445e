"""Word error rates of lyricsep on a folder in Jam-ALT's hub layout, one line a condition.

    python scripts/evaluate.py ../shared/jam-alt
    python scripts/evaluate.py ../shared/jam-alt --transcriber openai-whisper --conditions default --json scores.json

Conditions: `default` is the product's default; the others are the paper's grid, {mixture, separated} x {native,
rms-vad}, with Whisper's temperature fallback, and the vocals with 0.3 of the accompaniment. Rates are alt-eval's on
text without tags, pooled over the songs. Needs lyricsep[embedded,eval].
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import alt_eval

from lyricsep.devices import choose_device
from lyricsep.formats import render_lyrics
from lyricsep.pipeline import Heard, find_vocal_segments, hear
from lyricsep.segmentation import PAPER, RmsVadOptions
from lyricsep.separators import create_separator, find_separator
from lyricsep.transcribers import Job, WhisperOptions, create_transcriber, default_backend, find_model


@dataclass(frozen=True)
class Condition:
    """One row of the table."""

    segmentation: RmsVadOptions | None
    transcription: WhisperOptions


MIXTURE, SEPARATED = WhisperOptions(mix_back=1.0), WhisperOptions(mix_back=0.0)
CONDITIONS: Mapping[str, Condition] = {
    "default": Condition(RmsVadOptions(), WhisperOptions()),
    "mixture, native": Condition(None, MIXTURE),
    "separated, native": Condition(None, SEPARATED),
    "mixture, rms-vad": Condition(PAPER, MIXTURE),
    "separated, rms-vad": Condition(PAPER, SEPARATED),
    "vocals + 0.3 accompaniment, rms-vad": Condition(PAPER, WhisperOptions(mix_back=0.3)),
}


@dataclass(frozen=True)
class Reference:
    """A song of the dataset."""

    name: str
    path: Path
    language: str
    text: str


def main() -> None:
    """Run the conditions and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, help="folder with metadata.jsonl and the audio")
    parser.add_argument("--separator", default="spleeter")
    parser.add_argument("--model", default="base")
    parser.add_argument("--transcriber", default=None, help="default: the quickest that is installed")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--conditions", nargs="*", default=list(CONDITIONS), choices=CONDITIONS)
    parser.add_argument("--json", type=Path, help="also write the scores here")
    arguments = parser.parse_args()

    device = choose_device(arguments.device)
    backend = arguments.transcriber or default_backend(device)
    references = read_references(arguments.dataset)
    separator = create_separator(find_separator(arguments.separator), device)
    heard = [hear(reference.path, separator) for reference in references]
    print(f"{arguments.separator} + {arguments.model} by {backend}, {len(references)} songs, seed {arguments.seed}")
    print(f"{'condition':<38}{'WER':>8}{'S':>6}{'D':>6}{'I':>6}{'line F':>8}{'s':>6}   WER by song")
    rows = []
    for name in arguments.conditions:
        condition = CONDITIONS[name]
        options = replace(condition.transcription, seed=arguments.seed)
        transcriber = create_transcriber(find_model(arguments.model), device, options, backend=backend)
        began = time.perf_counter()
        jobs = [job(song, condition, reference) for song, reference in zip(heard, references, strict=True)]
        texts = [render_lyrics(lyrics, "txt") for lyrics in transcriber.transcribe(jobs)]
        seconds = time.perf_counter() - began
        row = scores(references, texts)
        songs = [
            {"name": reference.name, "text": text} | scores([reference], [text])
            for reference, text in zip(references, texts, strict=True)
        ]
        rows.append({"condition": name, "seconds": seconds, "options": asdict(options), "songs": songs} | row)
        by_song = " ".join(f"{song['WER']:.3f}" for song in songs)
        print(
            f"{name:<38}{row['WER']:8.4f}{row['substitutions']:6d}{row['deletions']:6d}{row['insertions']:6d}"
            f"{row['F1_line']:8.3f}{seconds:6.0f}   {by_song}",
            flush=True,
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def read_references(dataset: Path) -> list[Reference]:
    """Read every song of a dataset; audio lies beside its language's metadata or beside the whole dataset's."""
    references = []
    for line in (dataset / "metadata.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        file = Path(row["file_name"])
        beside = [dataset / file, dataset / "subsets" / row["language"] / file]
        path = next(candidate for candidate in beside if candidate.is_file())
        references.append(Reference(row["name"], path, row["language"], row["text"]))
    return references


def job(heard: Heard, condition: Condition, reference: Reference) -> Job:
    """Segment a song as the condition says."""
    options = condition.segmentation
    segments = None if options is None else find_vocal_segments(heard, options)
    return Job(heard.mixture, heard.vocals, segments, reference.language)


def scores(references: list[Reference], texts: list[str]) -> dict[str, float]:
    """Score songs, pooled."""
    metrics = alt_eval.compute_metrics(
        [reference.text for reference in references],
        texts,
        languages=[reference.language for reference in references],
    )
    keys = ("WER", "hits", "substitutions", "deletions", "insertions", "F1_line", "F1_sect")
    return {key: metrics[key] for key in keys}


if __name__ == "__main__":
    main()
