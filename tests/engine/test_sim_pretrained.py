"""The bench of pre-trained candidates: every seed has a B and a training of its own."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bench import sim_pretrained


class Recorder:
    """Notes what it is asked to train; its answers are right by chance."""

    def __init__(self, images, _classes, **_more) -> None:
        self.n, self.prior, self.asked = len(images), None, []

    def train_and_score(self, items, labels, *, seed, arch):
        self.asked.append((arch, seed, tuple(items.tolist()), tuple(labels.tolist())))
        rng = np.random.default_rng(seed)
        scores = SimpleNamespace(pred=rng.integers(0, 4, self.n), uncertainty=rng.random(self.n))
        return SimpleNamespace(scores=scores, train_seconds=1.0, score_seconds=1.0)


def test_each_seed_has_its_own_images_and_training_and_a_stopped_grid_goes_on(
    tmp_path, monkeypatch, capsys
):
    made: list[Recorder] = []

    def learner(*given, **more):
        made.append(Recorder(*given, **more))
        return made[-1]

    data, out, folder = tmp_path / "pool.npz", tmp_path / "out.json", tmp_path / "weights"
    folder.mkdir()
    (folder / "cnn_small.pt").write_bytes(b"one")
    np.savez(data, images=np.zeros((80, 8, 8), np.uint8), labels=np.arange(80) % 4)
    monkeypatch.setattr(sim_pretrained, "TorchLearner", learner)
    given = ["sim_pretrained", "--data", str(data), "--weights", str(folder), "--out", str(out)]
    given += ["--limit", "80", "--sizes", "20", "--archs", "cnn_small", "cnn_small+tuned"]
    for seeds in ("1", "3"):  # stopped after the first seed
        monkeypatch.setattr("sys.argv", [*given, "--seeds", seeds])
        sim_pretrained.main()
    asked = [one for each in made for one in each.asked]
    assert [(arch, seed) for arch, seed, *_ in asked] == [
        (arch, seed) for seed in range(3) for arch in ("cnn_small", "cnn_small+tuned")
    ]
    assert len({items for _, _, items, _ in asked}) == 3  # both candidates of a seed learn one B
    assert all(np.array_equal(np.array(items) % 4, labels) for _, _, items, labels in asked)
    found = json.loads(out.read_text())
    assert len(found["cells"]) == 6
    assert not any("seconds" in name for one in found["cells"] for name in one)
    assert "| `cnn_small+tuned` |" in capsys.readouterr().out
    (folder / "cnn_small.pt").write_bytes(b"other")
    with pytest.raises(SystemExit, match="other weights"):
        sim_pretrained.main()
