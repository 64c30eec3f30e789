"""Pre-trained weights that this installation has, by the names of their files alone.

The worker reads and checks the files (mcal_engine.vision.weights); a page only looks whether one of
the right name is there.
"""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from labelapp import choices


def has_weights(net: str) -> bool:
    """Tell whether a network can begin at pre-trained weights: they are there or may be fetched."""
    published = choices.WEIGHT_FILES.get(net, ())
    if published and settings.ALLOW_WEIGHT_DOWNLOAD:
        return True
    if not settings.WEIGHTS_DIR:
        return False
    folder = Path(settings.WEIGHTS_DIR)
    own = (folder / f"{net}.pt").is_file() and (folder / f"{net}.pt.sha256").is_file()
    return own or any((folder / name).is_file() for name in published)


def networks_with_weights() -> list[str]:
    """Return the networks that can begin at pre-trained weights here."""
    return [net for net in choices.ARCHITECTURES if has_weights(net)]


def missing_weights(net: str) -> str:
    """Say which file is missing and what to do; empty where pre-trained weights can be had."""
    if has_weights(net):
        return ""
    own, published = f"{net}.pt", choices.WEIGHT_FILES.get(net, ())
    words = {"net": net, "own": own, "hash": f"{own}.sha256"}
    words |= {"published": published[0] if published else "", "folder": settings.WEIGHTS_DIR}
    if not published:
        text = _(
            "There are no published weights of this network. Pre-train it on another set "
            "(python -m mcal_engine pretrain --arch %(net)s) and put %(own)s with %(hash)s into the "
            "folder that MCAL_WEIGHTS_DIR names, or choose another way to train it."
        )
    elif settings.WEIGHTS_DIR:
        text = _(
            "Its pre-trained weights are missing: put %(published)s into %(folder)s, or allow the "
            "download (MCAL_ALLOW_WEIGHT_DOWNLOAD=true), or choose another way to train it."
        )
    else:
        text = _(
            "Its pre-trained weights are missing: put %(published)s into a folder and name that "
            "folder in MCAL_WEIGHTS_DIR, or allow the download (MCAL_ALLOW_WEIGHT_DOWNLOAD=true), "
            "or choose another way to train it."
        )
    return text % words
