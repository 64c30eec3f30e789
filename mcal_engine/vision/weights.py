"""Pre-trained weights: from a folder that the user names, or fetched where that is allowed.

A folder may hold two kinds of files:

    NET.pt and NET.pt.sha256    a checkpoint of ours, as `python -m mcal_engine pretrain` writes it
    resnet18-f37072fd.pth       torchvision's, under the name that it has there; the eight letters
                                are the first of its SHA-256

The first kind goes first. Nothing is fetched unless `Source.download` says so, and no file counts
whose SHA-256 is not what its name or the file beside it says. No code of a file is ever run.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch
from torch import nn

from mcal_engine.errors import DataError, WeightsError
from mcal_engine.vision import checkpoints, nets_published
from mcal_engine.vision.data import Normalisation
from mcal_engine.vision.nets import ORIGINAL, RESIZED, build
from mcal_engine.vision.nets_sized import Resized
from mcal_engine.vision.torchvision_shim import torchvision_models

IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""torchvision's mean and deviation per channel, in grey levels of 0 to 255."""

LEFT_OUT = {
    "googlenet": ("aux1.", "aux2."),
    "inception_v3": ("AuxLogits.",),
    "squeezenet1_1": ("classifier.",),
}
"""Parts of published files that nothing here uses: heads in the middle, a convolution as head."""

_HASH = re.compile(r"-([0-9a-f]{8,64})\.pth$")
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)$")
SHOWN = 3  # names in a message

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Source:
    """Where weights may come from: a folder, and the internet only where `download` is set.

    `side` is the side in pixels to which images are brought for published weights; by default
    `nets_published.usual_side`.
    """

    folder: Path | None = None
    download: bool = False
    side: int | None = None


@dataclass(frozen=True)
class Pretrained:
    """Weights without their last layer, and the network that they fit.

    `arch`, `channels` and `side` go to `nets.build`; `sha256` is that of the file.
    """

    arch: str
    channels: int
    side: int
    normalisation: Normalisation
    weights: State
    sha256: str

    def start(self, net: nn.Module) -> None:
        """Load the weights into a fresh network; its last layer stays as it is."""
        net.load_state_dict(self.weights, strict=False)


def load(net: str, source: Source, *, channels: int, side: int) -> Pretrained:
    """Return the pre-trained weights of this network for images of `side` pixels.

    Grey images go into networks of three channels. Raises `WeightsError` that says which file is
    expected where, or what is wrong with the one that is there.
    """
    own = None if source.folder is None else source.folder / f"{net}.pt"
    if own is not None and own.exists():
        found = _ours(net, own)
    else:
        path = _published_file(net, source)
        found = _published(net, path, source.side or nets_published.usual_side(net, side))
    if channels not in {1, found.channels}:
        raise WeightsError(
            f"The weights of {net} take images of {found.channels} channels; these have {channels}."
        )
    return found


def last_linear(net: nn.Module) -> str:
    """Return the name of the network's last linear layer, which is fresh for other classes."""
    names = [name for name, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    if not names:
        raise DataError("The network has no linear layer to replace.")
    return str(names[-1])


# --- a checkpoint of ours ------------------------------------------------------------------------


def _ours(net: str, path: Path) -> Pretrained:
    beside = path.with_name(path.name + ".sha256")
    try:
        expected = beside.read_text().split()[0].lower()
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"The weights {path} cannot be trusted: {path.name} needs its SHA-256 in {beside.name} "
            "beside it."
        ) from error
    content = _checked(path, expected)
    try:
        model = checkpoints.from_bytes(content, path.name, torch.device("cpu"))
    except DataError as error:
        raise WeightsError(f"The weights {path} cannot be used: {error}") from error
    spec, form = model.spec, model.spec.arch.partition(".")
    if form[0] != net:
        raise WeightsError(
            f"{path} holds weights of {form[0]}, not of {net}. Put the right file there."
        )
    state = _without_head(model.net.state_dict(), last_linear(model.net))
    if not form[1]:  # as it was trained: here it stands behind a resize
        state = {f"net.{name}": value for name, value in state.items()}
    arch = spec.arch if form[1] else f"{net}.{RESIZED}"
    return Pretrained(arch, spec.channels, spec.side, model.normalisation, state, _digest(content))


# --- torchvision's -------------------------------------------------------------------------------


def published_files(net: str) -> dict[str, str]:
    """Return file name -> address of torchvision's weights of this network, its default first."""
    if net not in nets_published.SIDES:
        return {}
    kinds = torchvision_models().get_model_weights(net)
    trained_at = [kinds.DEFAULT, *kinds]
    return {kind.url.rsplit("/", 1)[-1]: kind.url for kind in trained_at if _as_built(net, kind)}


def _as_built(net: str, kind: Any) -> bool:
    """Tell whether weights are for the side that the network is built for (ViT has others)."""
    least: int = kind.meta["min_size"][0]
    return net != "vit_b_16" or least == nets_published.SIDES[net]


def _published_file(net: str, source: Source) -> Path:
    names = published_files(net)
    folder = source.folder
    if folder is None and source.download:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
    if folder is not None:
        for name in names:
            if (folder / name).exists():
                return folder / name
        if source.download and names:
            name, address = next(iter(names.items()))
            return _fetched(name, address, folder)
    raise WeightsError(_missing(net, folder, list(names)))


def _missing(net: str, folder: Path | None, names: list[str]) -> str:
    published = f"{', '.join(names)} or " if names else ""
    expected = f"{published}{net}.pt with {net}.pt.sha256"
    if folder is None:
        where = "No folder of weights was named (MCAL_WEIGHTS_DIR, or --weights DIR)."
    else:
        where = f"Looked for in {folder}: copy it there."
    allow = (
        " Nothing was downloaded: that has to be allowed (MCAL_ALLOW_WEIGHT_DOWNLOAD=true, "
        "or --allow-download)."
    )
    return (
        f"There are no pre-trained weights of {net}: expected {expected}. {where}"
        f"{allow if names else ''}"
    )


def _fetched(name: str, address: str, folder: Path) -> Path:
    """Fetch a file; it gets its name only when it is whole and its hash is right."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(
            address, str(folder / name), hash_prefix=_hash_of(name), progress=False
        )
    except (URLError, OSError, RuntimeError) as error:
        raise WeightsError(f"{address} could not be fetched into {folder}: {error}") from error
    return folder / name


def _published(net: str, path: Path, side: int) -> Pretrained:
    content = _checked(path, _hash_of(path.name))
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen types for a file that is not its own
        raise WeightsError(f"The weights {path} cannot be used: {error}") from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise WeightsError(f"The weights {path} cannot be used: it is no table of tensors.")
    arch = f"{net}.{ORIGINAL}"
    with torch.device("meta"):  # shapes only
        empty = build(arch, channels=nets_published.CHANNELS, classes=2, side=side)
    assert isinstance(empty, Resized)
    wanted = _without_head(empty.net.state_dict(), last_linear(empty.net))
    state = _as_named_today(state, LEFT_OUT.get(net, ()))
    if net == "vit_b_16":
        state = _at_side(state, side)
    state = {
        name: value for name, value in state.items() if name in wanted or _strange(name, empty)
    }
    _compare(path, wanted, state)
    weights = {f"net.{name}": value for name, value in state.items()}
    return Pretrained(arch, nets_published.CHANNELS, side, IMAGENET, weights, _digest(content))


def _strange(name: str, built: Resized) -> bool:
    """Tell whether a name of a file belongs neither to the network nor to its last layer."""
    return not name.startswith(f"{last_linear(built.net)}.")


def _as_named_today(state: State, left_out: tuple[str, ...]) -> State:
    """Return the state under today's names: old DenseNet files say `norm.1` for `norm1`."""
    named = {_OLD_DENSENET.sub(r"\1\2", name): value for name, value in state.items()}
    return {name: value for name, value in named.items() if not name.startswith(left_out)}


def _at_side(state: State, side: int) -> State:
    """Bring the places of a vision transformer's patches to another number of patches."""
    trained = state.get("encoder.pos_embedding")
    if trained is None or trained.ndim != 3:
        return state  # said by whoever compares
    module = torchvision_models().vision_transformer
    return dict(module.interpolate_embeddings(side, nets_published.PATCH, dict(state)))


def _compare(path: Path, wanted: State, state: State) -> None:
    """Raise `WeightsError` unless every weight is there, with its shape, and no other."""
    missing = [n for n in wanted if n not in state and not n.endswith("num_batches_tracked")]
    other = [
        f"{name} is {_shape(state[name])} and must be {_shape(value)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    extra = [name for name in state if name not in wanted]
    for names, words in ((missing, "it lacks"), (other, "of another shape:"), (extra, "too much:")):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise WeightsError(
                f"The weights {path} cannot be used: {words} {', '.join(names[:SHOWN])}{more}."
            )


def _shape(value: torch.Tensor) -> str:
    return "x".join(map(str, value.shape))


# --- both ----------------------------------------------------------------------------------------


def _without_head(state: State, head: str) -> State:
    return {name: value for name, value in state.items() if not name.startswith(f"{head}.")}


def _checked(path: Path, expected: str) -> bytes:
    """Return the file's bytes if their SHA-256 begins as expected."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"The weights {path} cannot be used: {error}") from error
    found = _digest(content)
    if not expected or not found.startswith(expected):
        raise WeightsError(
            f"{path} is half-written or was changed: its SHA-256 begins with {found[:8]}, "
            f"expected is {expected[:8] or 'none'}. Copy the file anew."
        )
    return content


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _hash_of(name: str) -> str:
    """Return the letters of the SHA-256 that a published name carries."""
    found = _HASH.search(name)
    return found.group(1) if found else ""
