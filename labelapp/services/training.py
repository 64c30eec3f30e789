"""Train the networks of a request: one job folder and one run of the training program for each.

Training runs in a program of its own (`python -m mcal_engine fit FOLDER`): it frees the
accelerator when it ends, can be stopped, and its crash is a failed attempt, not a dead worker.
Each attempt has its own folder, and a result counts only while the job's claim holds. Each network
is accepted on its own: a job that is tried again skips those that are there.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import F
from django.utils import timezone

from labelapp import engine, events, queue
from labelapp.models import (
    Job,
    Label,
    LedgerEntry,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
    TrainItem,
)
from labelapp.orders import TrainOrder
from labelapp.services import (
    earlier_model,
    model_files,
    outstanding,
    past_guesses,
    pool_tensor,
    programs,
    runs,
    training_epochs,
)
from labelapp.services.training_errors import (
    HopelessError,
    TrainingFailedError,
    disk_errors_in_words,
    of_result,
)

POLL_SECONDS = 0.25
EVENT_SECONDS = 2.0
LINE_SECONDS = 15.0  # between two lines of the job's log
NICENESS = 10  # people who label come first
TRAIN_SHARE = 0.85  # of the progress bar; scoring all images is the rest


@dataclass(frozen=True)
class Attempt:
    """One try at one architecture of a training request: `place` counts from 0 among them."""

    run: Run
    job: Job
    order: TrainOrder
    arch: str
    place: int
    folder: Path
    size: int  # |B|


def train(job: Job, control: queue.JobControl) -> None:
    """Do the trainings that the run waits for and wake the engine; nothing if all are there.

    Nothing either where the project was paused or archived while the job waited its turn:
    `runs.resume_run` makes a new job. Raises TrainingFailedError, HopelessError where another attempt
    would fail alike, and what `control.tick` raises.
    """
    run = Run.objects.select_related("project").get(pk=job.target)
    if run.failure or job.key != f"train:{run.pk}:{run.waiting_for}":
        return
    missing = outstanding.missing_models(run)
    if not missing:
        with transaction.atomic():
            runs.ensure_job(run)
        return
    if not runs.may_train(run):
        return
    try:
        with disk_errors_in_words():
            _train_all(run, job, control, missing)
    except HopelessError:
        raise  # it is not tried again: `run.failed` tells of it
    except (TrainingFailedError, pool_tensor.PoolError) as error:
        payload = {"iteration": run.iteration, "attempt": job.attempts, "message": str(error)}
        _tell(run, "training.failed", payload)
        raise


def _train_all(run: Run, job: Job, control: queue.JobControl, missing: list[str]) -> None:
    images = pool_tensor.ensure(
        run.project, run.n, lambda share: control.tick(0.0, f"Packing the images: {share:.0%}")
    )
    past_guesses.keep(run, run.iteration)
    for arch in missing:
        attempt = prepare(run, job, images, arch)
        started = {"iteration": run.iteration, "size": attempt.size, "attempt": job.attempts}
        _tell(run, "training.started", started | {"arch": arch})
        result = run_program(attempt, control)
        accept(attempt, result)
        trained, scored = result["train_seconds"], result["score_seconds"]
        control.log(f"{arch}: trained in {trained:.1f} s, scored all images in {scored:.1f} s")
    model_files.prune(run)
    shutil.rmtree(run_folder(run) / run.waiting_for, ignore_errors=True)


# --- request -------------------------------------------------------------------------------------


def prepare(run: Run, job: Job, images: Path, arch: str) -> Attempt:
    """Write the attempt's folder: the request and the labels of B, and of nothing else."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    order = engine.outstanding_training(run)
    folder = run_folder(run) / order.id / f"{arch}-{job.token}"
    _drop_others(run_folder(run), order.id)
    folder.mkdir(parents=True)
    rows = training_set(run)
    np.save(folder / "train_items.npy", np.array([seq for seq, _ in rows], dtype=np.int64))
    np.save(folder / "train_labels.npy", np.array([label for _, label in rows], dtype=np.int64))
    request = {
        "schema": 1,
        "images": str(images),
        "train_items": "train_items.npy",
        "train_labels": "train_labels.npy",
        "classes": run.config["classes"],
        "arch": arch,
        "seed": order.seed,
        "features": _wants_features(order, arch),
        "display": arch == order.archs[0],  # the leader's is what pages show
        "device": settings.TRAINING_DEVICE or None,
        "flip": bool(run.project.settings.get("flip", True)),
        "options": {"threads": settings.TRAINER_THREADS} if settings.TRAINER_THREADS else {},
        "training": run.config.get("training", {}),
        "earlier": earlier_model.write(run, arch, order.iteration, folder),
        "pretrained": _pretrained(run.project),
    }
    (folder / "request.json").write_text(json.dumps(request))
    return Attempt(run, job, order, arch, order.archs.index(arch), folder, len(rows))


def _pretrained(project: Project) -> dict[str, object]:
    """Say where pre-trained weights come from; the features of frozen ones stay with the project."""
    return {
        "weights": settings.WEIGHTS_DIR or None,
        "download": settings.ALLOW_WEIGHT_DOWNLOAD,
        "features": str(Path(settings.JOBS_ROOT) / project.public_id / "features"),
        "features_gib": settings.FEATURE_CACHE_GB,
    }


def _wants_features(order: TrainOrder, arch: str) -> bool:
    """Only the first architecture's features are asked for."""
    return order.features and arch == order.archs[0]


def _drop_others(root: Path, order_id: str) -> None:
    """Delete what a killed worker left of earlier trainings; failed attempts at this one stay.

    Without an ensemble's members: with them each attempt would take gigabytes.
    """
    for folder in root.iterdir() if root.is_dir() else ():
        if folder.name != order_id:
            shutil.rmtree(folder, ignore_errors=True)
            continue
        for attempt in folder.iterdir():
            shutil.rmtree(attempt / model_files.MEMBERS, ignore_errors=True)


def run_folder(run: Run) -> Path:
    """Return the folder of a run's attempts."""
    return Path(settings.JOBS_ROOT) / run.project.public_id / "training"


def training_set(run: Run) -> list[tuple[int, int]]:
    """Return (image number, class) of B: TrainItem rows joined with their human labels.

    Labels of test marks outside B cannot get in: they have no TrainItem.
    """
    items = TrainItem.objects.filter(run=run, image__label__source=Label.Source.HUMAN)
    items = items.filter(image__exclusion=None)
    return list(items.order_by("seq").values_list("seq", "image__label__class_index"))


# --- the program ---------------------------------------------------------------------------------


def run_program(attempt: Attempt, control: queue.JobControl) -> dict[str, Any]:
    """Run the program to its end and return its checked result. Raises TrainingFailedError."""
    command = [*settings.TRAINER_COMMAND, str(attempt.folder)]
    with (
        (attempt.folder / "log.txt").open("wb") as log,
        programs.running(command, log, niceness=NICENESS) as process,
    ):
        _follow(process, attempt, control)
    return read_result(attempt, process.returncode)


def _follow(process: subprocess.Popen[bytes], attempt: Attempt, control: queue.JobControl) -> None:
    """Report progress until the program ends; leave early when the job has to end."""
    news = training_epochs.News()
    tell = training_epochs.every(
        EVENT_SECONDS, lambda told: _tell_progress(attempt.run, news.of(told))
    )
    write = training_epochs.every(LINE_SECONDS, lambda told: control.log(_line(attempt, told)))
    control.log(f"{_message(attempt)}: process {process.pid}")
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        told = _progress(attempt)
        left = told.get("seconds_left") if attempt.place + 1 == len(attempt.order.archs) else None
        control.tick(told.get("progress", 0.0), _message(attempt), left)
        if told:
            tell({"iteration": attempt.run.iteration, "arch": attempt.arch, **told})
            write(told)


def _line(attempt: Attempt, told: dict[str, Any]) -> str:
    if told["phase"] == "score":
        return f"{attempt.arch}: scoring {attempt.run.n:,} images"
    figures = training_epochs.words(told)
    return f"{attempt.arch}: step {told['step']:,} of {told['steps']:,}{figures}"


def _message(attempt: Attempt) -> str:
    """Say what trains; the network by name only where several do."""
    count = len(attempt.order.archs)
    which = f" {attempt.arch} ({attempt.place + 1} of {count})" if count > 1 else ""
    return f"Training{which} on {attempt.size:,} images"


def _progress(attempt: Attempt) -> dict[str, Any]:
    """Return the progress over all architectures, or nothing while the program starts."""
    try:
        raw = json.loads((attempt.folder / "progress.json").read_text())
    except (OSError, ValueError):
        return {}
    share = raw["step"] / max(raw["steps"], 1) * TRAIN_SHARE
    if raw["phase"] == "score":
        share = 1.0 - (1.0 - TRAIN_SHARE) / 2
    return {
        "phase": raw["phase"],
        "step": raw["step"],
        "steps": raw["steps"],
        "seconds_left": raw["seconds_left"],
        "runs": raw.get("runs", 1),
        "epochs": raw.get("epochs", []),
        "progress": round((attempt.place + share) / len(attempt.order.archs), 4),
    }


def read_result(attempt: Attempt, code: int) -> dict[str, Any]:
    """Return the program's result; raise TrainingFailedError unless it is whole and fits."""
    try:
        result: dict[str, Any] = json.loads((attempt.folder / "result.json").read_text())
    except (OSError, ValueError):
        raise TrainingFailedError(_died(attempt.folder, code)) from None
    if not result.get("ok"):
        raise of_result(result)
    try:
        model_files.check(
            attempt.folder,
            result,
            attempt.run.n,
            attempt.run.config["classes"],
            features=_wants_features(attempt.order, attempt.arch),
        )
    except model_files.BadModelError as error:
        raise TrainingFailedError(str(error)) from error
    return result


def _died(folder: Path, code: int) -> str:
    """Say how a program without a result ended, with the last line of its log."""
    lines = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
    end = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    hint = " (out of memory?)" if code == -signal.SIGKILL else ""
    last = f": {lines[-1][:300]}" if lines else ""
    return f"The training program {end}{hint}{last}"


# --- result --------------------------------------------------------------------------------------


def accept(attempt: Attempt, result: dict[str, Any]) -> ModelVersion:
    """Store the model and charge the computing once; the last one wakes the engine.

    All or nothing. Raises JobLost when the claim was lost meanwhile: the result is thrown away.
    """
    run, order = attempt.run, attempt.order
    name = f"{order.iteration:03d}-{attempt.arch}-{attempt.job.token[:12]}"
    stored = model_files.take_over(attempt.folder, run, name)
    with transaction.atomic():
        if not _still_wanted(run) or not queue.owned(attempt.job).update(heartbeat=timezone.now()):
            raise queue.JobLost
        model = ModelVersion.objects.create(
            run=run,
            iteration=order.iteration,
            arch=attempt.arch,
            folder=stored,
            sha256=result["model_sha256"],
            metrics=training_epochs.kept(result)
            | {"request": order.id, "attempt": attempt.job.attempts},
        )
        seconds = result["train_seconds"] + result["score_seconds"]
        _charge(attempt, seconds)
        runs.ensure_job(run)
        payload = {"iteration": order.iteration, "size": attempt.size, "seconds": round(seconds, 1)}
        events.record(run.project_id, "training.finished", payload | {"arch": attempt.arch})
    shutil.rmtree(attempt.folder, ignore_errors=True)
    return model


def _still_wanted(run: Run) -> bool:
    """Lock the run and tell whether it waits for this training: a manager may have closed it."""
    same = Run.objects.select_for_update(no_key=True).filter(pk=run.pk)
    return same.filter(waiting_for=run.waiting_for).values_list("pk", flat=True).first() is not None


def _charge(attempt: Attempt, seconds: float) -> None:
    """Book the computing at the price of this moment: it may have changed since the start."""
    project = Project.objects.get(pk=attempt.run.project_id)
    price = project.compute_price_per_hour
    amount = runs.compute_dollars(seconds, price)
    LedgerEntry.objects.create(
        project=project,
        key=f"training:{attempt.order.id}:{attempt.arch}",
        purpose="compute",
        quantity=(Decimal(str(seconds)) / 3600).quantize(Decimal("0.000001")),
        unit_price=price,
        amount=amount,
    )
    ProjectCounter.objects.filter(project=project).update(compute_spend=F("compute_spend") + amount)


def _tell_progress(run: Run, payload: dict[str, Any]) -> None:
    """A busy database must not end a training: the next progress is told two seconds later."""
    with contextlib.suppress(OperationalError):
        _tell(run, "training.progress", payload)


def _tell(run: Run, type_: str, payload: dict[str, Any]) -> None:
    with transaction.atomic():
        events.record(run.project_id, type_, payload)
