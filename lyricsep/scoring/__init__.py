"""Compare hypotheses with references: additive counts, and rates derived from them."""

from lyricsep.scoring.activity import ActivityCounts, score_activity
from lyricsep.scoring.alignment import (
    ALIGNMENT_FIGURES,
    LOST,
    AlignmentScore,
    mean_alignment,
    score_alignment,
    score_starts,
)
from lyricsep.scoring.certainty import (
    Comparison,
    Difference,
    Interval,
    Spread,
    bootstrap,
    bootstrap_means,
    compare,
    spread_over_seeds,
)
from lyricsep.scoring.counts import (
    FIELDS,
    RATES,
    Counts,
    Edits,
    counts_from_dict,
    known_rates,
    most_changed,
    pool,
    rates,
)
from lyricsep.scoring.runs import ScoredRun, SongScore, find_hypotheses, find_references, read_runs, score_songs
from lyricsep.scoring.separation import SeparationScore, score_separation
from lyricsep.scoring.times import (
    TIMES_SUFFIXES,
    AlignedRun,
    SongAlignment,
    alignment_notes,
    score_song_times,
    score_times,
)
from lyricsep.scoring.timing import TimingCounts, time_lines
from lyricsep.scoring.tokens import TaggedWord, without_tags
from lyricsep.scoring.words import LONG_RUN, Edit, Score, score

__all__ = [
    "ALIGNMENT_FIGURES",
    "FIELDS",
    "LONG_RUN",
    "LOST",
    "RATES",
    "TIMES_SUFFIXES",
    "ActivityCounts",
    "AlignedRun",
    "AlignmentScore",
    "Comparison",
    "Counts",
    "Difference",
    "Edit",
    "Edits",
    "Interval",
    "Score",
    "ScoredRun",
    "SeparationScore",
    "SongAlignment",
    "SongScore",
    "Spread",
    "TaggedWord",
    "TimingCounts",
    "alignment_notes",
    "bootstrap",
    "bootstrap_means",
    "compare",
    "counts_from_dict",
    "find_hypotheses",
    "find_references",
    "known_rates",
    "mean_alignment",
    "most_changed",
    "pool",
    "rates",
    "read_runs",
    "score",
    "score_activity",
    "score_alignment",
    "score_separation",
    "score_song_times",
    "score_songs",
    "score_starts",
    "score_times",
    "spread_over_seeds",
    "time_lines",
    "without_tags",
]
