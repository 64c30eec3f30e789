"""How many of the most suspicious labels really are wrong: Fashion-MNIST and CIFAR-10N.

The real code of the search, with out-of-sample probabilities of a linear classifier on k-means
features (Coates, Lee, Ng 2011) trained on the other half; seconds of one core, seeds fixed:

    python -m tests.bench.sim_label_issues --data /path/to/data [--images 10000]
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES = 10


def main() -> int:
    """Print the precision of the first 100, 200 and 500 on each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sim_label_issues_") as folder:
        os.environ |= {"MCAL_DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": "labelapp.settings"}
        import django  # noqa: PLC0415 - after the environment is set

        django.setup()
        fashion(options.data, options.images)
        cifar(options.data, options.images)
    return 0


def fashion(data: Path, n: int) -> None:
    """Make 5 % of the labels wrong at random."""
    pixels, truth = (read_idx(data / "fashion_mnist" / f"train-{name}", n) for name in FILES)
    chance = np.random.default_rng(1)
    given = truth.astype(int)
    flip = chance.random(n) < 0.05
    given[flip] = (given[flip] + chance.integers(1, CLASSES, flip.sum())) % CLASSES
    probs = out_of_sample(features(pixels[:, None] / 255.0, 160), given)
    report("Fashion-MNIST, 5 % made wrong", probs, given, truth.astype(int))


FILES = ("images-idx3-ubyte.gz", "labels-idx1-ubyte.gz")


def read_idx(path: Path, n: int) -> Any:
    with gzip.open(path) as file:
        raw = file.read()
    sides = np.frombuffer(raw, ">u4", count=raw[3], offset=4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(sides)[:n]


def cifar(data: Path, n: int) -> None:
    """Take what people said: one of three, and the majority of all three."""
    from labelapp.services import label_issues  # noqa: PLC0415

    with np.load(data / "cifar10_jpeg.npz") as held:
        raw, at = held["data"].tobytes(), held["offsets"].astype(np.int64)
    files = (io.BytesIO(raw[at[i] : at[i + 1]]) for i in range(n))
    pixels = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files])
    with np.load(data / "human_labels_cifar10.npz") as held:
        people = {name: held[f"c10n_{name}"][:n].astype(int) for name in held_names()}
    seen, truth = features(pixels.transpose(0, 3, 1, 2) / 255.0, 320), people["clean_label"]
    one, most = people["random_label1"], people["aggre_label"]
    report("CIFAR-10N, one person", out_of_sample(seen, one), one, truth)
    probs = out_of_sample(seen, most)
    report("CIFAR-10N, majority of three", probs, most, truth)
    votes = np.stack([people[f"random_label{k}"] for k in (1, 2, 3)], axis=1).astype(float)
    best, quality = label_issues._crowdlab(votes, probs)
    found = np.flatnonzero(best != most)
    found = found[np.argsort(1.0 - quality[found], kind="stable")]
    say("CIFAR-10N, CROWDLAB against the majority", found, best[found], most, truth)


def held_names() -> list[str]:
    return ["clean_label", "aggre_label", *(f"random_label{k}" for k in (1, 2, 3))]


def features(x: Any, count: int, side: int = 6) -> Any:
    """Return k-means codes of whitened patches, summed over quadrants."""
    chance = np.random.default_rng(0)
    x = x.astype(np.float32)
    n, _, width, _ = x.shape
    corners = (
        chance.integers(0, limit, 40_000) for limit in (n, width - side + 1, width - side + 1)
    )
    patches = normal(
        np.stack(
            [x[i, :, a : a + side, b : b + side].ravel() for i, a, b in zip(*corners, strict=True)]
        )
    )
    middle = patches.mean(0)
    values, vectors = np.linalg.eigh(np.cov(patches.T))
    white = ((vectors / np.sqrt(values + 0.1)) @ vectors.T).astype(np.float32)
    patches = (patches - middle) @ white
    centres = patches[chance.choice(len(patches), count, replace=False)]
    for _ in range(8):
        nearest = ((centres**2).sum(1) / 2 - patches @ centres.T).argmin(1)
        for k in range(count):
            if (nearest == k).any():
                centres[k] = patches[nearest == k].mean(0)
    out = np.stack([codes(one, side, middle, white, centres) for one in x])
    return (out - out.mean(0)) / (out.std(0) + 1e-3)


def normal(patches: Any) -> Any:
    centred = patches - patches.mean(1, keepdims=True)
    return centred / np.sqrt(patches.var(1, keepdims=True) + 0.01)


def codes(image: Any, side: int, middle: Any, white: Any, centres: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(1, 2))
    m = windows.shape[1]
    q = (normal(windows.transpose(1, 2, 0, 3, 4).reshape(m * m, -1)) - middle) @ white
    squares = (centres**2).sum(1) - 2 * q @ centres.T + (q**2).sum(1, keepdims=True)
    far = np.sqrt(np.maximum(squares, 0))
    z = np.maximum(far.mean(1, keepdims=True) - far, 0).reshape(m, m, -1)
    half = m // 2
    quadrants = (z[:half, :half], z[:half, half:], z[half:, :half], z[half:, half:])
    return np.concatenate([part.sum((0, 1)) for part in quadrants])


def out_of_sample(seen: Any, given: Any) -> Any:
    """Return probabilities by a linear classifier that was trained on the other half."""
    import torch  # noqa: PLC0415

    torch.set_num_threads(1)
    order = np.random.default_rng(0).permutation(len(seen))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    probs = np.zeros((len(seen), CLASSES))
    for seed, (train, rest) in enumerate((halves, halves[::-1])):
        order_of_batches = torch.Generator().manual_seed(seed)
        linear = torch.nn.Linear(seen.shape[1], CLASSES)
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        optimiser = torch.optim.AdamW(linear.parameters(), 2e-3, weight_decay=0.3)
        x, y = torch.tensor(seen[train]), torch.tensor(given[train])
        for _ in range(40):
            for part in torch.randperm(len(x), generator=order_of_batches).split(256):
                loss = torch.nn.functional.cross_entropy(
                    linear(x[part]), y[part], label_smoothing=0.05
                )
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        with torch.no_grad():
            probs[rest] = linear(torch.tensor(seen[rest])).softmax(1).numpy()
    return probs


class Held:
    """Evidence that lies in memory."""

    classes, heirs, whole = CLASSES, np.arange(CLASSES), True

    def __init__(self, probs: Any) -> None:
        self.probs = probs

    def rows(self, seqs: Any) -> Any:
        return self.probs[seqs].copy()


class Silent:
    """A job's control that nobody reads."""

    def tick(self, *_about: object) -> None:
        return

    def log(self, *_about: object) -> None:
        return


def report(name: str, probs: Any, given: Any, truth: Any) -> None:
    from labelapp.services import label_issues  # noqa: PLC0415

    numbers, none = np.arange(len(given)), np.zeros(len(given), dtype=np.bool_)
    labels = label_issues._Labels(numbers, numbers, given, none, set())
    found = label_issues._single(labels, Held(probs), Silent())  # type: ignore[arg-type]
    found.sort(key=lambda one: (one.score, one.seq))
    right = (probs.argmax(1) == truth).mean()
    sys.stdout.write(f"{name}: {len(given):,} labels, the model is right for {right:.1%}\n")
    suggested = np.array([one.suggested for one in found])
    say(name, np.array([one.seq for one in found]), suggested, given, truth)


def say(name: str, found: Any, suggested: Any, given: Any, truth: Any) -> None:
    wrong = given != truth
    sys.stdout.write(f"{name}: {wrong.mean():.1%} wrong, {len(found)} found\n")
    for first in (100, 200, 500):
        part = found[:first]
        better = (suggested[:first] == truth[part]).mean()
        sys.stdout.write(
            f"  first {first}: {wrong[part].mean():.1%} wrong, suggestion right {better:.1%}\n"
        )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
