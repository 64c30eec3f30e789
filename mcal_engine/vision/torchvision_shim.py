"""Import torchvision where its compiled operators do not fit the installed torch.

torchvision's PyPI wheel for Linux is a CUDA build. Beside a CPU-only torch its operators cannot
be loaded, and `import torchvision` fails with "operator torchvision::nms does not exist", because
its Python code describes operators that nobody registered. Registering the two schemas is enough
for models, transforms.v2 and datasets; calling `nms` itself would still fail, and is never done.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from types import ModuleType
from typing import Any

import torch

MISSING = ("nms", "qnms")
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

_libraries: list[torch.library.Library] = []  # a schema lives as long as its library object


def import_torchvision() -> ModuleType:
    """Return torchvision, registering its missing operator schemas if the plain import fails."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    _forget_half_imported()
    _register_missing()
    return importlib.import_module("torchvision")


def torchvision_models() -> Any:
    """Return `torchvision.models`; importing it takes a second, so only where it is needed."""
    import_torchvision()
    return importlib.import_module("torchvision.models")


def _forget_half_imported() -> None:
    for name in [n for n in sys.modules if n == "torchvision" or n.startswith("torchvision.")]:
        del sys.modules[name]


def _register_missing() -> None:
    library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in MISSING:
        with contextlib.suppress(RuntimeError):  # already there: only the other one is missing
            library.define(name + SCHEMA)  # type: ignore[no-untyped-call]
    _libraries.append(library)
