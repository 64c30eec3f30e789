"""Which images look like these: nearest by cosine in what the newest model sees.

Before there is a model, or where its features would fill the disk, by very small copies of the
images. NumPy is imported when somebody asks: web processes stay small.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings

from labelapp.formats.pictures import PictureError, decode
from labelapp.models import Image, Project
from labelapp.selectors.predictions import model_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 8  # of the very small copies
DECODED = 400  # images that one request decodes where nothing else is there: about half a second
_KEPT = 20_000  # very small copies in memory, 192 bytes each
_CHUNK = 2_000  # rows at a time

_small: OrderedDict[tuple[str, int], bytes] = OrderedDict()
_lock = threading.Lock()


def nearest(
    project: Project, wanted: Sequence[int], among: Sequence[int], count: int
) -> tuple[list[int], int]:
    """Return up to `count` of the images `among` (seqs), the most alike to `wanted` first.

    Also returns how many of them were looked at: all, but where images must be decoded first.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    source = _Features.of(project) or _Pool.of(project) or _Decoded(project, wanted, among)
    goal, rows = source.known(wanted), source.known(among)
    if not goal or not rows:
        return [], 0
    middle = source.vectors(rows[:_CHUNK]).mean(axis=0)
    target = _unit(source.vectors(goal) - middle).mean(axis=0)
    closeness = np.concatenate(
        [
            _unit(source.vectors(rows[start : start + _CHUNK]) - middle) @ target
            for start in range(0, len(rows), _CHUNK)
        ]
    )
    best = np.argsort(-closeness, kind="stable")[:count]
    return [rows[place] for place in best.tolist()], len(rows)


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    import numpy as np  # noqa: PLC0415 - web processes stay small

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9))


class _Mapped:
    """Rows of an array on disk."""

    def __init__(self, path: Path) -> None:
        import numpy as np  # noqa: PLC0415 - web processes stay small

        self.rows = np.load(path, mmap_mode="r", allow_pickle=False)

    def known(self, seqs: Sequence[int]) -> list[int]:
        """Return those that the array has."""
        return [seq for seq in seqs if seq < len(self.rows)]

    def vectors(self, seqs: list[int]) -> NDArray[Any]:
        """Return the vectors of these images, float32 [n, d]."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        return np.asarray(self.rows[seqs], dtype=np.float32)


class _Features(_Mapped):
    """The last hidden layer of the newest model."""

    @classmethod
    def of(cls, project: Project) -> _Features | None:
        folder = model_folder(project)
        path = None if folder is None else folder / "features.npy"
        return cls(path) if path is not None and path.exists() else None


class _Pool(_Mapped):
    """The images as networks see them, made even smaller."""

    @classmethod
    def of(cls, project: Project) -> _Pool | None:
        found = sorted((Path(settings.JOBS_ROOT) / project.public_id / "pool").glob("*.npy"))
        return cls(found[-1]) if found else None

    def vectors(self, seqs: list[int]) -> NDArray[Any]:
        import numpy as np  # noqa: PLC0415 - web processes stay small

        pixels = self.rows[seqs]
        n, height, width, channels = pixels.shape
        down, across = max(1, height // SIDE), max(1, width // SIDE)
        cut = pixels[:, : height // down * down, : width // across * across]
        blocks = cut.reshape(n, height // down, down, width // across, across, channels)
        return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, -1))


class _Decoded:
    """Very small copies made from the display copies, as many as there is time for."""

    def __init__(self, project: Project, wanted: Sequence[int], among: Sequence[int]) -> None:
        self.project, self.found = project, dict[int, bytes]()
        with _lock:
            for seq in (*wanted, *among):
                if (kept := _small.get((project.public_id, seq))) is not None:
                    self.found[seq] = kept
        missing = [seq for seq in among if seq not in self.found]
        self._decode([seq for seq in wanted if seq not in self.found] + missing[:DECODED])

    def _decode(self, seqs: list[int]) -> None:
        rows = Image.objects.filter(project=self.project, seq__in=seqs)
        for seq, key in rows.values_list("seq", "display_key"):
            small = _small_copy(Path(settings.MEDIA_ROOT) / key)
            if small is not None:
                self.found[seq] = small
        with _lock:
            for seq in seqs:
                if seq in self.found:
                    _small[self.project.public_id, seq] = self.found[seq]
            while len(_small) > _KEPT:
                _small.popitem(last=False)

    def known(self, seqs: Sequence[int]) -> list[int]:
        return [seq for seq in seqs if seq in self.found]

    def vectors(self, seqs: list[int]) -> NDArray[Any]:
        import numpy as np  # noqa: PLC0415 - web processes stay small

        raw = b"".join(self.found[seq] for seq in seqs)
        return np.frombuffer(raw, dtype=np.uint8).reshape(len(seqs), -1).astype(np.float32)


def _small_copy(path: Path) -> bytes | None:
    """Return SIDE x SIDE RGB bytes of an image; None where it cannot be read."""
    from PIL.Image import Resampling  # noqa: PLC0415 - web processes stay small

    try:
        picture = decode(path.read_bytes(), max_pixels=settings.MAX_IMAGE_PIXELS)
    except (OSError, PictureError):
        return None
    small = picture.convert("RGB").resize((SIDE, SIDE), Resampling.BOX, reducing_gap=1.0)
    return small.tobytes()
