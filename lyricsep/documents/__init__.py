"""The JSON documents that lyricsep writes, as dataclasses with a version and a JSON Schema.

=========================  ==========================  =======  ==============================================
file                       schema                      version  dataclass
=========================  ==========================  =======  ==============================================
``song.json``              lyricsep/lyrics             2        `LyricsDocument`
``manifest-*.json``        lyricsep/manifest           2        `Manifest`
``lyricsep score --json``  lyricsep/scores             2        `Scores`
the same with ``--times``  lyricsep/alignment-scores   1        `AlignmentScores`
``summary.json``           lyricsep/benchmark-summary  2        `BenchmarkSummary`
=========================  ==========================  =======  ==============================================

Every document is a JSON object that begins with ``schema`` and ``version``. ``to_json`` writes the newest version,
``from_json`` reads this and all older ones, and `read_schema` returns its JSON Schema (draft 2020-12), which is also
the file ``lyricsep/documents/schemas/<name>.schema.json`` of the package. Times are seconds; null means unknown.
Readers ignore keys that they do not know and refuse versions that they do not know.

Lyrics: a word that no space precedes, such as *'un* in *l'un*, also has ``"space_before": false``; the words of a
line, each after a space unless it has this key, are the line's text (`lyricsep.lyrics.join_words`). Times are rounded
to milliseconds, probabilities of words to four digits. Version 1 had no ``space_before`` and did not round; lines had
words only where word times were asked for.

Manifest: version 1 had the command's name instead of its arguments, ``options`` instead of ``plan``, and neither
filters, datasets, seed nor digests of the songs. Scores: version 1 had no rates of songs. Benchmark summary: version
1 was the list that is now ``groups``.
"""

from lyricsep.documents.base import Document
from lyricsep.documents.fields import finite, plain
from lyricsep.documents.lyrics import LyricsDocument, rounded
from lyricsep.documents.manifest import DatasetRevision, Manifest, SongRecord, WeightRecord
from lyricsep.documents.schema import DOCUMENTS, read_schema, schema_file_name, write_schemas
from lyricsep.documents.scores import (
    AlignmentScores,
    BenchmarkSummary,
    GroupSummary,
    Scores,
    SongAlignmentScores,
    SongResult,
    SongScores,
)

__all__ = [
    "DOCUMENTS",
    "AlignmentScores",
    "BenchmarkSummary",
    "DatasetRevision",
    "Document",
    "GroupSummary",
    "LyricsDocument",
    "Manifest",
    "Scores",
    "SongAlignmentScores",
    "SongRecord",
    "SongResult",
    "SongScores",
    "WeightRecord",
    "finite",
    "plain",
    "read_schema",
    "rounded",
    "schema_file_name",
    "write_schemas",
]
