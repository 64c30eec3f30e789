"""The program that trains: `python -m mcal_engine fit JOB_FOLDER`. Request in, result out.

A program of its own frees the accelerator when it ends, can be cancelled by its process id, and
when it crashes, that is a failed attempt and not a dead worker. Its whole contract with the
starter are files in JOB_FOLDER, each written atomically; `result.json` comes last, so that its
presence means "finished".

It ends early in two ways. SIGTERM: result.json with the code "cancelled", exit status 3. Its
standard input is a pipe or socket and reaches its end: the starter died, so it leaves at once,
without a result. torch is imported only after both are being watched.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from mcal_engine.errors import CancelledError, EngineError
from mcal_engine.vision.files import write_json

SCHEMA = 1
DONE, FAILED, CANCELLED, ORPHANED = 0, 1, 3, 4
"""Exit statuses. ORPHANED: the starter died and nobody is left to read a result."""


Work = Callable[[Path, Callable[[], bool]], dict[str, object]]
"""(job folder, is it cancelled?) -> what result.json reports."""


def train_and_score(job: Path, cancelled: Callable[[], bool]) -> dict[str, object]:
    """Do what `fit` does: train one candidate and score the pool."""
    from mcal_engine.vision.job import run_job  # noqa: PLC0415  torch takes a second to import

    return run_job(job, cancelled)


def main(folder: str | Path, work: Work = train_and_score) -> int:
    """Do the job in this folder and return the exit status: 0 done, 1 failed, 3 cancelled.

    Reads request.json (its fields: `job.JobRequest`); writes progress.json, model.pt, pred.npy,
    uncertainty.npy, least.npy, entropy.npy, features.npy where asked for, and last result.json. An
    ensemble leaves members/ and members.sha256 in place of model.pt, mutual.npy and variation.npy
    besides.
    """
    stop = threading.Event()
    watch_sigterm(stop)
    watch_stdin()
    return run(Path(folder), stop.is_set, work)


def run(job: Path, cancelled: Callable[[], bool], work: Work = train_and_score) -> int:
    """Do the job in this process, without watching signals or the standard input."""
    if not job.is_dir():
        sys.stderr.write(f"There is no job folder {job}.\n")
        return FAILED
    (job / "result.json").unlink(missing_ok=True)
    return _finish(job, lambda: work(job, cancelled))


def _finish(job: Path, work: Callable[[], dict[str, object]]) -> int:
    """Turn whatever happens into result.json and an exit status."""
    try:
        write_json(job / "result.json", {"schema": SCHEMA, "ok": True, **work()})
    except CancelledError as error:
        return _failed(job, error.code, str(error), CANCELLED)
    except EngineError as error:
        return _failed(job, error.code, str(error), FAILED)
    except Exception as error:  # noqa: BLE001  the border of the program: out of memory, full disk...
        traceback.print_exc()
        return _failed(job, "internal_error", f"{type(error).__name__}: {error}", FAILED)
    return DONE


def _failed(job: Path, code: str, message: str, status: int) -> int:
    failure = {"schema": SCHEMA, "ok": False, "code": code, "message": message}
    write_json(job / "result.json", failure)
    return status


def watch_sigterm(stop: threading.Event) -> None:
    """Set `stop` at SIGTERM; the work looks at it between two steps."""

    def handler(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, handler)


def watch_stdin() -> None:
    """Leave the process when a standard input that the starter holds open reaches its end.

    A terminal, a file or /dev/null is nobody's sign of life and is not watched.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # closed
        return
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        threading.Thread(target=_leave_at_end_of_stdin, name="stdin-watch", daemon=True).start()


def _leave_at_end_of_stdin() -> None:
    while os.read(0, 4096):
        pass
    os._exit(ORPHANED)
