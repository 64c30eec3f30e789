"""Networks that enlarge or shrink their input first: those with a least side, or a fixed one."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class Resized(nn.Module):
    """A network behind a bilinear resize, so that its images may have any size.

    The shorter side becomes `side` pixels and the shape stays; with `square` both sides do.
    """

    def __init__(self, net: nn.Module, side: int, *, square: bool = False) -> None:
        super().__init__()
        self.net = net
        self.side = side
        self.square = square

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the network's logits of normalised images [n, C, H, W]."""
        there = (x.shape[2], x.shape[3])
        wanted = self._size(*there)
        if wanted != there:
            smaller = min(wanted) < min(there)
            x = functional.interpolate(x, wanted, mode="bilinear", antialias=smaller)
        logits: torch.Tensor = self.net(x)
        return logits

    def _size(self, height: int, width: int) -> tuple[int, int]:
        if self.square:
            return self.side, self.side
        least = min(height, width)
        return round(height * self.side / least), round(width * self.side / least)
