"""A stand-in for `python -m mcal_engine fit FOLDER` that starts at once.

It "trains" class means of the images' brightness. `behave.txt` beside JOB_FOLDER's run folder (or
in any parent) changes what it does: fail, die, hang, wrong_shape, lose_member (of an ensemble), or
`fail ARCH` for one network only.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
import threading
import time
from pathlib import Path

import numpy as np


def main(folder: Path) -> int:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    request = json.loads((folder / "request.json").read_text())
    (folder / "pid").write_text(str(os.getpid()))
    behaviour = _behaviour(folder)
    if behaviour == "die":
        os.kill(os.getpid(), 9)
    if behaviour in {"fail", f"fail {request['arch']}"}:
        _write(folder / "result.json", {"schema": 1, "ok": False, "message": "the loss is NaN"})
        return 1
    _write(folder / "progress.json", _progress(1, 4))
    while behaviour == "hang":
        time.sleep(0.05)
        behaviour = _behaviour(folder)
    arrays = _score(folder, request)
    if behaviour == "wrong_shape":
        arrays["pred"] = arrays["pred"][:-1]
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    text = f"model {request['arch']} {request['seed']} {len(arrays['pred'])}"
    members = _members(request["arch"])
    if members > 1:
        _keep_members(folder, members, text)
    else:
        (folder / "model.pt").write_bytes(text.encode())
    if behaviour == "lose_member":
        (folder / "members" / "001.pt").unlink()
    told = _result(folder, arrays)
    _write(folder / "result.json", told | ({"members": members} if members > 1 else {}))
    return 0


def _members(arch: str) -> int:
    """E of a candidate's name: cnn_small+checkpoints=3+seeds=2 has 6 members."""
    return math.prod(int(part.partition("=")[2]) for part in arch.split("+") if "=" in part)


def _keep_members(folder: Path, count: int, text: str) -> None:
    (folder / "members").mkdir()
    lines = []
    for number in range(count):
        content = f"{text}, member {number}".encode()
        (folder / "members" / f"{number:03d}.pt").write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  members/{number:03d}.pt\n")
    (folder / "members.sha256").write_text("".join(lines))


def _score(folder: Path, request: dict) -> dict[str, np.ndarray]:
    images = np.load(request["images"], mmap_mode="r")
    items, labels = np.load(folder / "train_items.npy"), np.load(folder / "train_labels.npy")
    brightness = images.reshape(len(images), -1).mean(axis=1)
    means = np.full(request["classes"], -1e3)
    for label in np.unique(labels):
        means[label] = brightness[items[labels == label]].mean()
    near = np.exp(-np.abs(brightness[:, None] - means[None]) / 20.0) + 1e-12
    share = near / near.sum(axis=1, keepdims=True)
    ordered = np.sort(share, axis=1)
    arrays = {
        "pred": share.argmax(axis=1).astype(np.uint16),
        "uncertainty": (1.0 - (ordered[:, -1] - ordered[:, -2])).astype(np.float32),
        "least": (1.0 - ordered[:, -1]).astype(np.float32),
        "entropy": -(share * np.log(share)).sum(axis=1).astype(np.float32),
    }
    if _members(request["arch"]) > 1:
        arrays["mutual"] = arrays["entropy"] / 2
        arrays["variation"] = np.zeros(len(images), dtype=np.float32)
    if request["display"]:
        arrays["probs"] = share.astype(np.float16)
    if request["display"] or request["features"]:
        arrays["features"] = brightness[:, None].astype(np.float16)
    return arrays


def _result(folder: Path, arrays: dict[str, np.ndarray]) -> dict:
    def sha(name: str) -> str:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()

    return {
        "schema": 1,
        "ok": True,
        "train_seconds": 2.0,
        "score_seconds": 0.5,
        "samples_shown": 1000,
        "steps": 10,
        "model_sha256": sha("model.pt" if (folder / "model.pt").exists() else "members.sha256"),
        "device": "cpu",
        "device_kind": "cpu",
        **{f"{name}_sha256": sha(f"{name}.npy") for name in arrays},
    }


def _progress(step: int, steps: int) -> dict:
    return {
        "step": step,
        "steps": steps,
        "phase": "train",
        "images_per_second": 100.0,
        "seconds_left": 3.0,
    }


def _behaviour(folder: Path) -> str:
    for parent in folder.parents:
        if (parent / "behave.txt").exists():
            return (parent / "behave.txt").read_text().strip()
    return ""


def _write(path: Path, value: dict) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value))
    temporary.replace(path)


def _leave_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(4)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
