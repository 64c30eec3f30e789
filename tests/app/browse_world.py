"""A project of a few hundred random rows for the browser's tests, and what is true of them."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings

from labelapp.models import (
    Answer,
    Exclusion,
    GoldItem,
    Image,
    Iteration,
    Label,
    LabelBatch,
    LabelClass,
    ModelVersion,
    Project,
    Run,
    Task,
    TestMark,
    TrainItem,
)
from labelapp.selectors import predictions
from labelapp.selectors.browse_guess import UNKNOWN, UNSEEN, before_folder
from tests.app.conftest import Cast, add_images, make_project

PURPOSES = ["test", "seed", "train", "ahead", "audit", "residual"]


@dataclass
class Truth:
    """What is true of one image."""

    image: Image
    label: int | None = None
    source: str = ""
    purpose: str = ""
    margin: float | None = None  # of the machine's label
    agreement: float | None = None
    iteration: int | None = None
    excluded: bool = False
    hidden: bool = False
    tests: bool = False  # a test mark outside B: hidden for good
    people: set[int] = field(default_factory=set)
    guess: tuple[int, float] | None = None  # out of sample


@dataclass
class World:
    """The project, its run, and the truth by image number."""

    cast: Cast
    project: Project
    run: Run
    truths: list[Truth]
    batches: dict[tuple[str, int], LabelBatch]
    model: ModelVersion
    rows: dict[type, list] = field(default_factory=lambda: defaultdict(list))
    classes: list[LabelClass] = field(default_factory=list)

    def add(self, row):
        """Write the row with all others of its kind."""
        self.rows[type(row)].append(row)
        return row


def make_world(cast: Cast, *, n: int = 300, seed: int = 0) -> World:
    """Fill a project at random, but always alike: labels, votes, marks, gold, scores."""
    chance = random.Random(seed)
    project = make_project(cast)
    images = add_images(project, n)
    for number, image in enumerate(images):
        image.name = f"{chance.choice(['dogs', 'cats', 'Ünder_100%'])}/{number:04d}.png"
    Image.objects.bulk_update(images, ["name"])
    run = Run.objects.create(
        project=project, n=n, config={}, state={}, waiting_for="x", request_kind="label"
    )
    Project.objects.filter(pk=project.pk).update(status="running")
    project.refresh_from_db()
    model = _model(run, n, chance)
    world = World(cast, project, run, [Truth(image) for image in images], {}, model)
    world.classes = list(project.classes.order_by("index"))
    for truth in world.truths:
        _fill(world, truth, chance)
    _scores(world, chance)
    for kind in (Task, Answer, Label, Exclusion, GoldItem, TestMark, TrainItem):
        kind.objects.bulk_create(world.rows[kind])
    return world


def _model(run: Run, n: int, chance: random.Random) -> ModelVersion:
    model = ModelVersion.objects.create(
        run=run,
        iteration=2,
        arch="cnn",
        folder=f"models/{run.project.public_id}/m",
        sha256="a" * 64,
    )
    Iteration.objects.create(
        run=run, number=2, train_size=1, delta=1, record={}, seconds=1, dollars=0, model=model
    )
    return model


def _batch(world: World, purpose: str, iteration: int) -> LabelBatch:
    if (purpose, iteration) not in world.batches:
        world.batches[purpose, iteration] = LabelBatch.objects.create(
            run=world.run,
            project=world.project,
            request_id=f"{purpose}{iteration}",
            iteration=iteration,
            purpose=purpose,
            size=1,
            remaining=0,
            state="done",
        )
    return world.batches[purpose, iteration]


def _fill(world: World, truth: Truth, chance: random.Random) -> None:
    kind = chance.random()
    if kind < 0.05:
        world.add(Exclusion(image=truth.image, project=world.project, seq=truth.image.seq))
        truth.excluded = True
    elif kind < 0.45:
        _human(world, truth, chance)
    elif kind < 0.8:
        truth.source, truth.purpose, truth.iteration = "machine", "machine", 2
        truth.label, truth.margin = chance.randrange(3), round(chance.random(), 2)
        world.add(
            Label(
                image=truth.image,
                project=world.project,
                seq=truth.image.seq,
                class_index=truth.label,
                source="machine",
                confidence=truth.margin,
                model=world.model,
                purpose="machine",
            )
        )
    if chance.random() < 0.05:
        world.add(
            GoldItem(
                project=world.project,
                image=truth.image,
                label_class=world.classes[0],
                source="uploaded",
            )
        )
        truth.hidden = True
    if chance.random() < 0.1:
        world.add(TestMark(run=world.run, image=truth.image, seq=truth.image.seq))
        truth.hidden = True
        truth.tests = truth.purpose not in {"seed", "train"}


def _human(world: World, truth: Truth, chance: random.Random) -> None:
    truth.source, truth.purpose = "human", chance.choice(PURPOSES)
    truth.label, truth.iteration = chance.randrange(3), chance.randrange(3)
    truth.hidden = truth.purpose in {"test", "audit"}
    batch = _batch(world, truth.purpose, truth.iteration)
    task = world.add(
        Task(batch=batch, project=world.project, image=truth.image, rank=0, state="done")
    )
    people = [world.cast.annotator, world.cast.second_annotator]
    said = people if chance.random() < 0.4 else people[: chance.randrange(2) + 1][-1:]
    if len(said) == 2:
        truth.agreement = chance.choice([0.5, 1.0])
    for person in said:
        truth.people.add(person.pk)
        given = world.add(
            Answer(
                id=uuid.UUID(int=chance.getrandbits(128)),
                task=task,
                batch=batch,
                project=world.project,
                image=truth.image,
                user=person,
                kind="class",
                label_class=world.classes[truth.label],
            )
        )
    world.add(
        Label(
            image=truth.image,
            project=world.project,
            seq=truth.image.seq,
            class_index=truth.label,
            source="human",
            votes=len(said),
            agreement=truth.agreement,
            batch=batch,
            purpose=truth.purpose,
            user=given.user,
            answer=given,
        )
    )


def _scores(world: World, chance: random.Random) -> None:
    """Write the model's files, and what was kept of the models before images joined B."""
    n = len(world.truths)
    pred = np.array([chance.randrange(3) for _ in range(n)], dtype=np.uint16)
    margin = np.array([chance.random() for _ in range(n)], dtype=np.float32)
    before = np.full(n, UNKNOWN, dtype=np.uint16)
    early = np.zeros(n, dtype=np.float32)
    for seq, truth in enumerate(world.truths):
        truth.guess = int(pred[seq]), float(margin[seq])
        if truth.purpose not in {"seed", "train"}:
            continue
        world.add(TrainItem(run=world.run, image=truth.image, seq=seq, iteration=1))
        before[seq] = UNSEEN if truth.purpose == "seed" else chance.randrange(3)
        early[seq] = chance.random()
        known = truth.purpose == "train"
        truth.guess = (int(before[seq]), float(early[seq])) if known else None
    folder = Path(settings.MEDIA_ROOT) / world.model.folder
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "pred.npy", pred)
    np.save(folder / "uncertainty.npy", np.float32(1.0) - margin)
    np.save(folder / "least.npy", (1.0 - margin).astype(np.float32))
    kept = before_folder(world.project.public_id)
    np.save(kept / "before_pred.npy", before)
    np.save(kept / "before_margin.npy", early)
    predictions.forget()


def fits(truth: Truth, query: Any, *, finished: bool = False) -> bool:
    """Tell whether an image passes: the filters once more, without a database."""
    where = {
        "": True,
        "excluded": truth.excluded,
        "unlabelled": truth.label is None and not truth.excluded,
    }.get(query.where, truth.purpose == query.where)
    name, wanted = truth.image.name, query.name
    named = (
        name.startswith(wanted[1:]) if wanted.startswith("^") else wanted.lower() in name.lower()
    )
    return bool(
        where
        and named
        and query.label in {None, truth.label}
        and query.source in {"", truth.source}
        and (query.person is None or query.person in truth.people)
        and (not query.split or (truth.agreement is not None and truth.agreement < 1))
        and query.iteration in {None, truth.iteration}
        and _said(truth, query, finished=finished)
    )


def _said(truth: Truth, query: Any, *, finished: bool) -> bool:
    if query.source == "machine" or query.where == "machine":
        if not _between(truth.margin, query):
            return False
        if query.guess is None:
            return True
    if not query.asks_model:
        return True
    if truth.guess is None or truth.tests or (truth.hidden and not finished):
        return False
    own = query.source == "machine" or query.where == "machine"
    return query.guess in {None, truth.guess[0]} and (own or _between(truth.guess[1], query))


def _between(margin: float | None, query: Any) -> bool:
    if query.low is None and query.high is None:
        return True
    low = 0 if query.low is None else query.low
    return margin is not None and low <= margin <= (1 if query.high is None else query.high)
