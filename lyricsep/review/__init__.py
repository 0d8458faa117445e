"""Results → corrected lyrics: pages, served to this machine only, in which a person corrects the transcript."""

from lyricsep.review.saving import Corrections, Revision, StaleError
from lyricsep.review.server import ReviewServer

__all__ = ["Corrections", "ReviewServer", "Revision", "StaleError"]
