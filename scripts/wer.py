"""Word error rate of a text against another, by alt-eval.

python scripts/wer.py data/example/night_train.txt lyrics/night_train.txt --language en
"""

from __future__ import annotations

import argparse
from pathlib import Path

import alt_eval


def main() -> None:
    """Print the rate and its counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reference", type=Path)
    parser.add_argument("hypothesis", type=Path)
    parser.add_argument("--language", default="en")
    arguments = parser.parse_args()
    metrics = alt_eval.compute_metrics(
        [arguments.reference.read_text(encoding="utf-8")],
        [arguments.hypothesis.read_text(encoding="utf-8")],
        languages=arguments.language,
    )
    counts = ", ".join(f"{metrics[key]} {key}" for key in ("hits", "substitutions", "deletions", "insertions"))
    print(f"WER {metrics['WER']:.3f} ({counts})")


if __name__ == "__main__":
    main()
