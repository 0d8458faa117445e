"""Write pages and sound as MP4: H.264 and AAC, which every player knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lyricsep.audio import SoundEncoder, downmix, open_audio
from lyricsep.files import replacing
from lyricsep.karaoke.drawing import HEIGHT, WIDTH, Painter
from lyricsep.karaoke.pages import Page

FRAME_RATE = 25  # per second
BT709 = 1  # the colours of high definition, by its number in H.264
# Most of a frame is as in the last one, so the quick settings lose nothing that is seen.
_X264 = {"preset": "veryfast", "tune": "stillimage", "crf": "20"}


def write_video(
    path: Path,
    sound: Path,
    pages: Sequence[Page],
    painter: Painter,
    *,
    title: str,
    artist: str | None = None,
    overwrite: bool = False,
    on_progress: Callable[[float], None] | None = None,
) -> None:
    """Write the video of a song, as long as its sound.

    Parameters
    ----------
    path : Path
        An ``.mp4``.
    sound : Path
        What is heard; more than two channels are mixed into one.
    pages : sequence of Page
        From `lyricsep.karaoke.make_pages`.
    painter : Painter
        Draws them.
    title, artist : str, optional
        Tags of the file.
    overwrite : bool
        Replace a file that exists.
    on_progress : callable, optional
        Called with the share that is done, 0 to 1.

    Raises
    ------
    AudioError
        If the sound cannot be read.
    OutputError
        If the file cannot be written, or exists and `overwrite` is False.
    """
    import av

    options = {"movflags": "+faststart"}  # players on the web start before they have the whole file
    with (
        open_audio(sound) as reader,
        replacing(path, overwrite=overwrite) as temporary,
        av.open(temporary, "w", options=options) as container,
    ):
        container.metadata.update({"title": title} | ({"artist": artist} if artist else {}))
        video = container.add_stream("libx264", rate=FRAME_RATE, options=_X264)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context = video.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        audio = SoundEncoder(container, "aac", reader.sample_rate, min(reader.n_channels, 2))
        frames = _frames(pages, painter)
        n_frames, n_samples = 0, 0
        for block in reader.blocks(1.0):
            audio.write(block if reader.n_channels <= 2 else downmix(block).expand(2, -1))
            n_samples += block.shape[1]
            n_new = round(n_samples / reader.sample_rate * FRAME_RATE) - n_frames
            for picture in islice(frames, n_new):
                frame = av.VideoFrame.from_ndarray(picture, "yuv420p")
                frame.pts = n_frames
                n_frames += 1
                container.mux(video.encode(frame))
            if on_progress and reader.estimated_duration:
                on_progress(min(1.0, n_samples / reader.sample_rate / reader.estimated_duration))
        container.mux(video.encode(None))
        audio.finish()


def save_preview(
    path: Path, pages: Sequence[Page], painter: Painter, time: float, *, overwrite: bool = False
) -> None:
    """Write the picture of a time in seconds as PNG; raise an `OutputError` as `write_video` does."""
    import av
    from av.video.reformatter import Colorspace
    from PIL import Image

    page = next(page for page in reversed(pages) if page.start <= time)
    frame = av.VideoFrame.from_ndarray(painter.draw(page).at(time), "yuv420p")
    pixels = frame.reformat(format="rgb24", src_colorspace=Colorspace.ITU709).to_ndarray()
    with replacing(path, overwrite=overwrite) as temporary:
        Image.fromarray(pixels).save(temporary, "png")


def _frames(pages: Sequence[Page], painter: Painter) -> Iterator[NDArray[np.uint8]]:
    """Yield the frames of a video without end; each is as it should be half-way through the time it is shown."""
    number = 0
    for page, following in zip(pages, [*pages[1:], None], strict=True):
        picture = None
        while following is None or (number + 0.5) / FRAME_RATE < following.start:
            picture = picture or painter.draw(page)
            yield picture.at((number + 0.5) / FRAME_RATE)
            number += 1
