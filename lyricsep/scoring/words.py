"""Score one text against another: the alignment of their words, and the counts.

Words are aligned by jiwer, case-insensitively, and so are all tokens, for punctuation and breaks, both as in
alt-eval (arXiv 2408.06370); near misses, runs, non-lexical words and backing vocals are counted as in
arXiv 2506.15514.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein

from lyricsep.scoring.counts import Counts, Edits, rates
from lyricsep.scoring.tokens import TaggedWord, Tokens, tokenize

if TYPE_CHECKING:
    from alt_eval.tokenizer import Token
    from jiwer import AlignmentChunk

LONG_RUN = 10
"""Longer runs of insertions or substitutions count as hallucinated, in words."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One step of an alignment.

    Parameters
    ----------
    kind : str
        ``hit``, ``substitution``, ``deletion`` or ``insertion``.
    reference, hypothesis : TaggedWord or None
        The words; None if there is none on that side.
    run : int
        Length of the run of edits of the same kind that contains this one.
    """

    kind: str
    reference: TaggedWord | None
    hypothesis: TaggedWord | None
    run: int

    @property
    def near_miss(self) -> bool:
        """Whether a substitution may be a spelling variant."""
        return (
            self.kind == "substitution"
            and self.reference is not None
            and self.hypothesis is not None
            and is_near_miss(self.reference.text, self.hypothesis.text)
        )

    @property
    def hallucinated(self) -> bool:
        """Whether the edit is part of a long run of insertions or substitutions."""
        return self.kind in ("insertion", "substitution") and self.run > LONG_RUN


@dataclass(frozen=True, slots=True)
class Score:
    """The score of a hypothesis against its reference.

    Parameters
    ----------
    counts : Counts
        The counts, which can be summed over texts.
    edits : tuple of Edit
        The alignment of the words, in order.
    """

    counts: Counts
    edits: tuple[Edit, ...]

    @property
    def rates(self) -> dict[str, float]:
        """Every rate by its name, such as ``WER``; 1 is 100 %."""
        return rates(self.counts)


def score(reference: str, hypothesis: str, language: str, *, normalise: bool = False) -> Score:
    """Score a hypothesis against a reference.

    Parameters
    ----------
    reference, hypothesis : str
        Lyrics, one line of lyrics per line, sections separated by blank lines; both may have ``<nl>`` tags. If one is
        empty, every word of the other is deleted or inserted.
    language : str
        ISO 639 code, used to tokenize both.
    normalise : bool
        First apply alt-eval's `normalize_lyrics` to both, as in the paper. Words change only in the case of the first
        word of a line.

    Raises
    ------
    ConfigError
        If there is no such language.
    """
    reference_tokens = tokenize(reference, language, normalise=normalise)
    hypothesis_tokens = tokenize(hypothesis, language, normalise=normalise)
    edits = _word_edits(reference_tokens.words, hypothesis_tokens.words)
    return Score(_count(edits, reference_tokens, hypothesis_tokens), edits)


def is_near_miss(reference: str, hypothesis: str) -> bool:
    """Return whether two different words may be spelling variants of the same word.

    Their edit distance is 1 or 2, and less than half the length of the longer word. Case is ignored, and so are
    apostrophes at the ends (arXiv 2408.06370 removes all apostrophes; the published numbers of arXiv 2506.15514 are
    without those at the ends).
    """
    a, b = reference.lower().strip("'"), hypothesis.lower().strip("'")
    distance = Levenshtein.distance(a, b)
    return distance in (1, 2) and 2 * distance < max(len(a), len(b))


def _word_edits(reference: Sequence[TaggedWord], hypothesis: Sequence[TaggedWord]) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    for chunk in _align([word.text for word in reference], [word.text for word in hypothesis]):
        wanted = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        heard = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        kind, run = _KINDS[chunk.type], max(len(wanted), len(heard))
        edits += [
            Edit(kind, wanted[index] if wanted else None, heard[index] if heard else None, run)
            for index in range(run)
        ]
    return tuple(edits)


_KINDS = {"equal": "hit", "substitute": "substitution", "delete": "deletion", "insert": "insertion"}


def _align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[AlignmentChunk]:
    """Align words case-insensitively; runs of one kind are one chunk."""
    import jiwer

    if not reference:  # jiwer does not accept an empty reference
        end = len(hypothesis)
        return [jiwer.AlignmentChunk("insert", 0, 0, 0, end)] if end else []
    unchanged = jiwer.Compose([])
    (chunks,) = jiwer.process_words(
        [[word.lower() for word in reference]],  # type: ignore[list-item]
        [[word.lower() for word in hypothesis]],  # type: ignore[list-item]
        reference_transform=unchanged,
        hypothesis_transform=unchanged,
    ).alignments
    return chunks


def _count(edits: Sequence[Edit], reference: Tokens, hypothesis: Tokens) -> Counts:
    from alt_eval.tokenizer import LINE, PAREN, PUNCT, SECT

    kinds = [edit.kind for edit in edits]
    of_tag = _tag_edits(reference.all, hypothesis.all)
    hallucinated = [edit.kind for edit in edits if edit.hallucinated]
    return Counts(
        words=_tally(kinds),
        near_misses=sum(edit.near_miss for edit in edits),
        case_errors=sum(
            edit.kind == "hit"
            and edit.reference is not None
            and edit.hypothesis is not None
            and edit.reference.text != edit.hypothesis.text
            for edit in edits
        ),
        hallucinated_insertions=hallucinated.count("insertion"),
        hallucinated_substitutions=hallucinated.count("substitution"),
        nonlexical=_tally([edit.kind for edit in edits if edit.reference and edit.reference.nonlexical]),
        backing=_tally([edit.kind for edit in edits if edit.reference and edit.reference.backing]),
        punctuation=of_tag[PUNCT],
        parentheses=of_tag[PAREN],
        line_breaks=of_tag[LINE],
        section_breaks=of_tag[SECT],
        characters=_character_edits(reference.words, hypothesis.words),
    )


def _tally(kinds: Sequence[str]) -> Edits:
    return Edits(*(kinds.count(kind) for kind in ("hit", "substitution", "deletion", "insertion")))


def _tag_edits(reference: Sequence[Token], hypothesis: Sequence[Token]) -> dict[str, Edits]:
    """Align all tokens together, and count edits by tag.

    A token replaced by one with another tag is a deletion for its own tag and an insertion for the other.
    """
    from alt_eval.metrics import process_alignments
    from alt_eval.tokenizer import LINE, PAREN, PUNCT, SECT

    chunks = _align([token.text for token in reference], [token.text for token in hypothesis])
    counts, _, _ = process_alignments([list(reference)], [list(hypothesis)], [chunks])
    tags = (PUNCT, PAREN, LINE, SECT)
    return {tag: Edits(counts[tag].H, counts[tag].S, counts[tag].D, counts[tag].I) for tag in tags}


def _character_edits(reference: Sequence[TaggedWord], hypothesis: Sequence[TaggedWord]) -> Edits:
    wanted, heard = ("".join(word.text.lower() for word in words) for words in (reference, hypothesis))
    tags = [edit.tag for edit in Levenshtein.editops(wanted, heard)]
    replaced, deleted, inserted = (tags.count(tag) for tag in ("replace", "delete", "insert"))
    return Edits(len(wanted) - replaced - deleted, replaced, deleted, inserted)
