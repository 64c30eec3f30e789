"""Give an accelerator's memory back while a program waits, and take it again.

Networks, optimisers and data stay where the code has them: what their tensors hold is copied to
main memory and its place on the device released, and put back before the next step. So a training
that steps aside in its middle loses nothing. What no Python object names stays (libraries, the
device's own state: some hundred MiB).
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import torch


def park(device: torch.device) -> Callable[[], None]:
    """Empty every tensor on this device; return what fills them again.

    Call both between two steps, and touch no tensor of the device between them. The bytes come
    back as they were. Filling raises `torch.OutOfMemoryError` where others have taken the place.
    """
    gc.collect()
    kept: list[tuple[torch.Tensor, torch.Tensor]] = []
    for storage in _storages(device):
        there = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
        kept.append((there, there.to("cpu", copy=True)))
        storage.resize_(0)
    _release(device)

    def fill() -> None:
        while kept:
            there, here = kept.pop()
            there.untyped_storage().resize_(len(here))
            there.copy_(here)

    return fill


def _storages(device: torch.device) -> list[torch.UntypedStorage]:
    """Return what the tensors on this device hold, each once: views share it."""
    found: dict[int, torch.UntypedStorage] = {}
    for tensor in _tensors():
        if tensor.device.type == device.type and tensor.layout == torch.strided:
            storage = tensor.untyped_storage()
            if storage.nbytes() and storage.resizable():  # not where another library owns it
                found[storage.data_ptr()] = storage
    return list(found.values())


def _tensors() -> Iterator[torch.Tensor]:
    """Yield every tensor that a Python object names, with its gradient."""
    for one in gc.get_objects():
        if issubclass(type(one), torch.Tensor):
            yield one
            if one.is_leaf and one.grad is not None:
                yield one.grad


def _release(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
