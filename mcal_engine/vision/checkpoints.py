"""A trained network as bytes: weights, normalisation and all that is needed to build it again."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mcal_engine.errors import DataError
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.files import write_bytes
from mcal_engine.vision.nets import build, place

SCHEMA = 1
HALF_MAX = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class NetSpec:
    """What defines a network apart from its weights."""

    arch: str
    channels: int
    classes: int
    side: int
    flip: bool  # mirrored images are equally likely: scored with both views


@dataclass(frozen=True)
class Model:
    """A trained network with its spec and the normalisation of its inputs."""

    spec: NetSpec
    net: nn.Module
    normalisation: Normalisation


def to_bytes(model: Model, *, half: bool = False) -> bytes:
    """Return the checkpoint: equal models give equal bytes. `half` rounds weights to 16 bits."""
    weights = {
        name: (_rounded(value) if half else value)
        .detach()
        .to("cpu", memory_format=torch.contiguous_format)
        for name, value in model.net.state_dict().items()
    }
    content = {
        "schema": SCHEMA,
        "spec": asdict(model.spec),
        "mean": list(model.normalisation.mean),
        "std": list(model.normalisation.std),
        "weights": weights,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _rounded(value: torch.Tensor) -> torch.Tensor:
    """Return float16; what is too large becomes the largest number. Counters stay as they are."""
    if not value.is_floating_point():
        return value
    return value.clamp(-HALF_MAX, HALF_MAX).to(torch.float16)


def sha256(model: Model) -> str:
    """Return the SHA-256 of the checkpoint, the name by which scores refer to the model."""
    return hashlib.sha256(to_bytes(model)).hexdigest()


def save(model: Model, path: Path) -> str:
    """Write the checkpoint atomically and return its SHA-256."""
    return write_bytes(path, to_bytes(model))


def load(path: Path, device: torch.device) -> Model:
    """Read a checkpoint without running code from it. Raises `DataError` if it is not one."""
    return _read(path, path.name, device)


def from_bytes(content: bytes, name: str, device: torch.device) -> Model:
    """Return the model of a checkpoint's bytes, as `load` does; `name` stands in messages."""
    return _read(io.BytesIO(content), name, device)


def load_into(model: Model, content: bytes, name: str) -> None:
    """Put the weights of another checkpoint, of any precision, into this model's network.

    `name` stands in messages. Raises `DataError` where it is no checkpoint or of another network
    (class count, image size, architecture).
    """
    device = next(model.net.parameters()).device
    found = _content(io.BytesIO(content), name, device)
    with _said(name):
        spec = NetSpec(**found["spec"])
        if spec != model.spec:
            raise DataError(f"{name} is of {spec}, not of {model.spec}.")
        model.net.load_state_dict(found["weights"])


def _read(file: Path | io.BytesIO, name: str, device: torch.device) -> Model:
    content = _content(file, name, device)
    with _said(name):
        return _rebuilt(content, device)


def _content(file: Path | io.BytesIO, name: str, device: torch.device) -> dict[str, Any]:
    try:
        content = torch.load(file, map_location=device, weights_only=True)
    except Exception as error:  # torch raises a dozen types for a file that is not its own
        raise DataError(f"{name} is not a checkpoint of this program: {error}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise DataError(f"{name} is not a checkpoint of schema {SCHEMA}.")
    return content


@contextmanager
def _said(name: str) -> Iterator[None]:
    """Say which file has a field or a weight that does not fit."""
    try:
        yield
    except (KeyError, TypeError, RuntimeError) as error:
        raise DataError(f"{name} does not fit this program's networks: {error}") from error


def _rebuilt(content: dict[str, Any], device: torch.device) -> Model:
    spec = NetSpec(**content["spec"])
    net = build(spec.arch, channels=spec.channels, classes=spec.classes, side=spec.side)
    net.load_state_dict(content["weights"])
    return Model(
        spec,
        place(net, device).eval(),
        Normalisation(tuple(content["mean"]), tuple(content["std"])),
    )
