"""Results → corrected lyrics: pages on an address of this machine alone, where a person mends what was heard."""

from lyricsep.review.saving import Corrections, Revision, StaleError
from lyricsep.review.server import ReviewServer

__all__ = ["Corrections", "ReviewServer", "Revision", "StaleError"]
