"""A stand-in for `python -m mcal_engine search-job FOLDER` that starts at once.

It keeps every second image that is not held out. `behave.txt` in any parent of the folder changes
what it does: hang, deaf (it hangs and ignores SIGTERM), die, fail, bad_data, disk_full, wrong_hash, wrong_rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np


def main(folder: Path) -> int:
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    (folder / "result.json").unlink(missing_ok=True)
    request = json.loads((folder / "request.json").read_text())
    (folder / "steps").mkdir(exist_ok=True)
    (folder / "steps" / f"{len(list((folder / 'steps').iterdir()))}").touch()
    (folder / "members").mkdir(exist_ok=True)
    _write(folder / "progress.json", _progress(request))
    if _behaviour(folder) == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "pid").write_text(str(os.getpid()))
    while _behaviour(folder) in {"hang", "deaf"} or (folder / "pause").exists():
        time.sleep(0.02)
    behaviour = _behaviour(folder)
    if behaviour == "die":
        os.kill(os.getpid(), 9)
    if behaviour in {"fail", "bad_data", "disk_full"}:
        failure = {"schema": 1, "ok": False, "code": behaviour, "message": f"it is {behaviour}"}
        _write(folder / "result.json", failure)
        return 1
    _write(folder / "result.json", _search(folder, request, behaviour))
    return 0


def _search(folder: Path, request: dict, behaviour: str) -> dict:
    images = np.load(request["images"], mmap_mode="r")
    rows, held_out = np.load(folder / "rows.npy"), np.load(folder / "held_out.npy")
    assert rows.max() < len(images)
    part = np.zeros(len(rows), dtype=np.int16)
    part[held_out] = -1
    part[np.flatnonzero(part == 0)[::2]] = 1
    subset = np.flatnonzero(part == 1)
    if behaviour == "wrong_rows":
        part = part[:-1]
    np.save(folder / "part.npy", part)
    np.save(folder / "subset.npy", subset)
    result = {
        "schema": 1,
        "ok": True,
        "n": len(rows),
        "classes": request["classes"],
        "sizes": [len(subset)],
        "accuracy": {},
        "runs": [],
    }
    for name in ("part", "subset"):
        digest = hashlib.sha256((folder / f"{name}.npy").read_bytes()).hexdigest()
        result[f"{name}_sha256"] = "0" if behaviour == "wrong_hash" else digest
    return result


def _progress(request: dict) -> dict:
    return {
        "seed": request["seeds"][-1],
        "step": 1,
        "steps": 3,
        "purpose": "acquire",
        "stage": 2,
        "images": 120,
        "phase": "train",
        "done": 1,
        "of": 2,
    }


def _behaviour(folder: Path) -> str:
    for parent in folder.parents:
        if (parent / "behave.txt").exists():
            return (parent / "behave.txt").read_text().strip()
    return ""


def _write(path: Path, content: dict) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content))
    temporary.replace(path)


def _leave_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(4)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
