"""Headers of sound that was written into a pipe: they could not say how many bytes would come.

FFmpeg takes the end of such a file for damage, or does not read it at all. Here its header is completed, by the size
of the file, before FFmpeg sees it.

Sources: RIFF/WAVE (Microsoft and IBM, 1991), EBU Tech 3306 (RF64), Sony Wave64, AIFF and AIFF-C (Apple, 1991), Sun
.au, Apple Core Audio Format.
"""

from __future__ import annotations

import struct
from pathlib import Path

_HEADER_BYTES = 2**16
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


def completed_header(path: Path) -> bytes | None:
    """Return the first bytes of a file with sizes in place of those that were unknown; None if there were none."""
    with path.open("rb") as file:
        header = bytearray(file.read(_HEADER_BYTES))
        n_bytes = file.seek(0, 2)
    for complete in (_complete_riff, _complete_w64, _complete_aiff, _complete_caf, _complete_au):
        try:
            if complete(header, n_bytes):
                return bytes(header)
        except struct.error:  # the header ends early
            continue
    return None


def _is_unknown(size: int) -> bool:
    """Return whether a size stands for an unknown one: 0, or about the most that 31, 32 or 63 bits hold."""
    return size == 0 or any(limit - 2**16 < size <= limit for limit in (2**31, 2**32)) or size >= 2**62


def _complete_riff(header: bytearray, n_bytes: int) -> bool:
    if not header.startswith((b"RIFF", b"RF64")) or header[8:12] != b"WAVE":
        return False
    position, long_size = 12, None
    while position + 8 <= len(header):
        name, size = struct.unpack_from("<4sI", header, position)
        if name == b"ds64":
            long_size = position + 16
        elif name == b"data":
            rest = n_bytes - position - 8
            if header[:4] == b"RF64" and long_size is not None:
                if _is_unknown(struct.unpack_from("<Q", header, long_size)[0]):
                    struct.pack_into("<Q", header, long_size, rest)
                    return True
            elif _is_unknown(size) and size != rest and rest < 2**32:
                struct.pack_into("<I", header, position + 4, rest)
                return True
            return False
        position += 8 + size + size % 2
    return False


def _complete_w64(header: bytearray, n_bytes: int) -> bool:
    if header[:16] != _W64_RIFF:
        return False
    position = 40
    while position + 24 <= len(header):
        size = struct.unpack_from("<Q", header, position + 16)[0]
        if header[position : position + 16] == _W64_DATA:
            if size > 24 and not _is_unknown(size):
                return False
            struct.pack_into("<Q", header, position + 16, n_bytes - position)
            if _is_unknown(struct.unpack_from("<Q", header, 16)[0]):
                struct.pack_into("<Q", header, 16, n_bytes)
            return True
        position += max(24, size + -size % 8)
    return False


def _complete_aiff(header: bytearray, n_bytes: int) -> bool:
    if not header.startswith(b"FORM") or not header.startswith((b"AIFF", b"AIFC"), 8):
        return False
    position, common = 12, None
    while position + 8 <= len(header):
        name, size = struct.unpack_from(">4sI", header, position)
        if name == b"COMM":
            common = position + 8
        elif name == b"SSND":
            rest = n_bytes - position - 8
            if common is None or not _is_unknown(size) or size == rest or rest >= 2**32:
                return False
            n_channels, n_frames, n_bits = struct.unpack_from(">HIH", header, common)
            struct.pack_into(">I", header, 4, n_bytes - 8)
            struct.pack_into(">I", header, position + 4, rest)
            if _is_unknown(n_frames) and n_channels and n_bits:
                struct.pack_into(">I", header, common + 2, (rest - 8) // (n_channels * -(-n_bits // 8)))
            return True
        position += 8 + size + size % 2
    return False


def _complete_caf(header: bytearray, n_bytes: int) -> bool:
    if header[:4] != b"caff":
        return False
    position = 8
    while position + 12 <= len(header):
        name, size = struct.unpack_from(">4sq", header, position)
        if name == b"data":
            if size != -1:
                return False
            struct.pack_into(">q", header, position + 4, n_bytes - position - 12)
            return True
        position += 12 + max(0, size)
    return False


def _complete_au(header: bytearray, n_bytes: int) -> bool:
    if header[:4] != b".snd":
        return False
    start, size = struct.unpack_from(">II", header, 4)
    if not _is_unknown(size) or not 0 <= n_bytes - start < 2**32:
        return False
    struct.pack_into(">I", header, 8, n_bytes - start)
    return True
