"""The usual way to train: worker processes, one image at a time, float32, one learning rate.

What most tutorials show: a `Dataset` of Pillow images, `transforms.v2` per sample, a `DataLoader`
with two workers, Adam at a constant rate. The network is ours, so that only the way differs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from mcal_engine.vision.data import Images, Normalisation, spread
from mcal_engine.vision.nets import build
from mcal_engine.vision.nets_fast import whiten
from mcal_engine.vision.torchvision_shim import import_torchvision

RATE = 1e-3
WORKERS = 2


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    """One Pillow image at a time, transformed when asked for."""

    def __init__(self, images: Images, labels: np.ndarray[Any, Any], transform: Any) -> None:
        self.images = images
        self.labels = labels
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index].squeeze())), int(
            self.labels[index]
        )


def transform(side: int, pad: int, normalisation: Normalisation) -> Any:
    """Return crops, flips and normalisation per sample, the same kinds as ours."""
    import_torchvision()
    from torchvision.transforms import v2  # noqa: PLC0415 - importable only after the shim

    return v2.Compose(
        [
            v2.ToImage(),
            v2.RandomCrop(side, padding=pad, padding_mode="reflect"),
            v2.RandomHorizontalFlip(),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(
                [x / 255 for x in normalisation.mean], [x / 255 for x in normalisation.std]
            ),
        ]
    )


@dataclass(frozen=True)
class Epoch:
    """After one pass: seconds of training so far and the share of held-out images right."""

    number: int
    seconds: float
    images: int
    accuracy: float


def epochs(
    images: Images,
    labels: np.ndarray[Any, Any],
    held: tuple[Images, np.ndarray[Any, Any]],
    *,
    arch: str,
    classes: int,
    pad: int,
    normalisation: Normalisation,
    seed: int,
) -> Iterator[Epoch]:
    """Train without end, one epoch per item; the look at the held-out images is not timed."""
    side, channels = images.shape[1], images.shape[3]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # noqa: TID251 - workers and weights of the usual way draw from it
        net = build(arch, channels=channels, classes=classes, side=side)
        whiten(net, normalisation.apply(spread(images, 300)))
        optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
        pictures = Pictures(images, labels, transform(side, pad, normalisation))
        loader = DataLoader(
            pictures, batch_size=128, shuffle=True, num_workers=WORKERS, persistent_workers=True
        )
        seconds, shown, number = 0.0, 0, 0
        while True:
            started = time.monotonic()
            for inputs, targets in loader:
                loss = functional.cross_entropy(net(inputs), targets)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                shown += len(targets)
            seconds, number = seconds + time.monotonic() - started, number + 1
            yield Epoch(number, seconds, shown, accuracy(net, normalisation, *held))


@torch.inference_mode()
def accuracy(
    net: nn.Module, normalisation: Normalisation, images: Images, labels: np.ndarray[Any, Any]
) -> float:
    """Return the share of these images that the network gets right, one view each."""
    net.eval()
    found = [
        net(normalisation.apply(torch.from_numpy(np.array(images[i : i + 500])))).argmax(1)
        for i in range(0, len(images), 500)
    ]
    net.train()
    return float((torch.cat(found).numpy() == labels).mean())
