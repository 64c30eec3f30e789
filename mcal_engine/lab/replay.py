"""Replay a recorded run under other settings: the engine decides, nothing is trained.

The engine reads B from each answer's pool, so the driver may let other images join than it asked
for: the recorded ones, up to the recorded size that is nearest to the one wanted. Everything else
(T, audit, residual, money) is the engine's own. T may be drawn anew: M(.) never saw the marks.
"""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from mcal_engine import mcal, measuring, simulate
from mcal_engine.acquisitions import NEEDS_FEATURES
from mcal_engine.errors import DataError
from mcal_engine.lab.clock import RECORDED, Clock
from mcal_engine.lab.recording import Recording, digest
from mcal_engine.learner import Earlier, TrainedModel
from mcal_engine.types import (
    Finished,
    IntArray,
    IterationRecord,
    Labelled,
    LabelRequest,
    McalState,
    Prices,
    Purpose,
    Request,
    RunConfig,
    Target,
    Trained,
    TrainRequest,
)

Step = tuple[McalState, Request]


def settings(recording: Recording, prices: Prices, target: Target) -> RunConfig:
    """Return settings under which this recording was or could have been made."""
    about = recording.about
    return RunConfig(
        n=about.n,
        classes=about.classes,
        prices=prices,
        target=target,
        arch=about.archs[0],
        rivals=about.archs[1:],
        seed=about.seed,
        acquisition=about.acquisition,
        test_share=about.test_share,
        random_share=about.random_share,
    )


def replay(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    *,
    given: IntArray | None = None,
    clock: Clock = RECORDED,
    watch: simulate.Watcher = lambda record: None,
) -> dict[str, object]:
    """Run the engine over a recording; return `simulate.report` and what is said of the replay.

    `truth` and `given` (people's answers) must be the recorded ones; `config` may differ in all
    but data and architectures: another seed draws another T and audit order. `clock` says how
    long trainings took. Where the engine wants a larger B than there is, it is told
    to stop after the last round, and `stop_reason` says so. Raises `DataError`.
    """
    return played(recording, truth, config, given=given, clock=clock, watch=watch)[0]


def played(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    *,
    given: IntArray | None = None,
    clock: Clock = RECORDED,
    watch: simulate.Watcher = lambda record: None,
) -> tuple[dict[str, object], Replay]:
    """Do what `replay` does; return the driver too, which knows each image's label and source."""
    began = time.perf_counter()
    driver = _driver(recording, truth, config, given, clock)
    end = _to_the_end(mcal.start(driver.config), driver, watch)
    seconds = time.perf_counter() - began
    return _report(end, driver) | {"wall_seconds": seconds}, driver


def stopped_at(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    path: tuple[int, ...],
    *,
    given: IntArray | None = None,
    clock: Clock = RECORDED,
) -> dict[str, object]:
    """Return the result of visiting the rounds `path` and stopping at the last of them.

    No rule is asked on the way; S, audit and money at the end are the engine's own.
    """
    began = time.perf_counter()
    driver = _driver(recording, truth, config, given, clock)
    driver.path = path
    end = _to_the_end(_before_last(driver, path), driver, lambda record: None)
    return _report(end, driver) | {"wall_seconds": time.perf_counter() - began}


def records(
    recording: Recording, truth: IntArray, config: RunConfig, *, given: IntArray | None = None
) -> list[IterationRecord]:
    """Return what T shows after each recorded round, all of them visited, nothing planned."""
    driver = _driver(recording, truth, config, given, RECORDED)
    driver.path = tuple(range(1, len(recording.rounds) + 1))
    state, request = _before_last(driver, driver.path)
    answer = driver.answer(request)
    assert isinstance(answer, Trained)
    return list(_booked(state, answer).records)


class Replay(simulate.Driver):
    """Answers from a recording; `round` is the recorded round that B stands at."""

    def __init__(
        self,
        config: RunConfig,
        oracle: simulate.Oracle,
        recording: Recording,
        clock: Clock = RECORDED,
    ) -> None:
        self.player = Player(recording, clock)
        super().__init__(config, oracle, self.player)
        self.config, self.recording = config, recording
        self.path: tuple[int, ...] | None = None
        self.round = 0
        self.visited: list[int] = []
        self.cut_short = False  # the engine wanted a larger B than was recorded

    @property
    def over(self) -> bool:
        """Whether there is no larger B to go to."""
        last = len(self.recording.rounds) if self.path is None else self.path[-1]
        return self.round >= last

    def _label(self, request: LabelRequest) -> Labelled:
        """Let the recorded images join instead of those asked for, except after an audit."""
        if not _grows(request):
            return super()._label(request)
        if not self.over:
            self._go_to(self._next(len(request.train)), request.purpose)
        return Labelled(request.id, self.pool(), self.scores.get(request.frozen))

    def _next(self, wanted: int) -> int:
        """Return the round whose |B| is nearest to what is wanted, the larger of two."""
        if self.path is not None:
            return next(number for number in self.path if number > self.round)
        if self.round == 0:
            return 1
        sizes = np.array(self.recording.sizes)
        away = np.abs(sizes - (sizes[self.round - 1] + wanted))[self.round :]
        return self.round + len(away) - int(away[::-1].argmin())

    def _go_to(self, number: int, purpose: Purpose) -> None:
        joining = np.flatnonzero(self.recording.train(number) & ~self.train)
        buy = joining[self.labels[joining] < 0].astype(np.int64)
        self.labels[buy] = self.oracle.buy(buy, purpose)
        self.train[joining] = True
        self.round = self.player.round = number
        self.visited.append(number)


class Player:
    """A learner that answers with the recorded scores and seconds of one round."""

    def __init__(self, recording: Recording, clock: Clock) -> None:
        self.recording, self.clock = recording, clock
        self.round = 0

    def train_and_score(
        self,
        train_items: IntArray,
        train_labels: IntArray,
        *,
        seed: int,
        arch: str,
        features: bool = False,
        earlier: Earlier | None = None,
    ) -> TrainedModel:
        """Return what was recorded, whatever is asked. Raises `DataError` for an unknown `arch`."""
        return self.clock.told(self.recording.rounds[self.round - 1], arch)


def _driver(
    recording: Recording,
    truth: IntArray,
    config: RunConfig,
    given: IntArray | None,
    clock: Clock,
) -> Replay:
    about = recording.about
    answers = truth if given is None else given
    if digest(truth) != about.labels_sha256 or digest(answers) != about.given_sha256:
        raise DataError(f"these are not the labels that {about.data} was recorded with")
    if not recording.rounds:
        raise DataError("the recording holds no round yet")
    if (config.n, config.classes) != (about.n, about.classes):
        raise DataError(f"the recording has {about.n} images of {about.classes} classes")
    if set(config.archs) - set(about.archs):
        raise DataError(f"only {', '.join(about.archs)} was recorded")
    if config.acquisition in NEEDS_FEATURES:
        config = replace(config, acquisition="margin")  # its picks are replaced, and need features
    return Replay(config, simulate.Oracle(truth, given), recording, clock)


def _to_the_end(step: Step, driver: Replay, watch: simulate.Watcher) -> tuple[McalState, Finished]:
    state, request = step
    seen = len(state.records)
    while not isinstance(request, Finished):
        state, request = _advance(state, request, driver)
        for record in state.records[seen:]:
            watch(record)
        seen = len(state.records)
    return state, request


def _advance(state: McalState, request: Request, driver: Replay) -> Step:
    """Take one step; where it leads beyond the recording, take it again as the last round."""
    answer = driver.answer(request)
    if not (isinstance(answer, Trained) and driver.over):
        return mcal.advance(state, answer)
    if driver.path is None:
        ahead = mcal.advance(state, answer)
        if not _grows(ahead[1]):
            return ahead
        driver.cut_short = True
    rounds = min(state.config.max_rounds, state.iteration)
    return mcal.advance(replace(state, config=replace(state.config, max_rounds=rounds)), answer)


def _grows(request: Request) -> bool:
    """Tell whether M(.) wants images in B; after a failed audit the audited ones just move."""
    wanted = {Purpose.SEED, Purpose.TRAIN}
    return isinstance(request, LabelRequest) and request.purpose in wanted and not request.frozen


def _before_last(driver: Replay, path: tuple[int, ...]) -> Step:
    """Visit the path up to the training of its last round, which is left to be answered."""
    state, request = mcal.start(driver.config)
    while not (isinstance(request, TrainRequest) and driver.round == path[-1]):
        answer = driver.answer(request)
        if isinstance(answer, Trained):
            state, request = _pass_by(state, answer, driver)
        else:
            state, request = mcal.advance(state, answer)
    return state, request


def _pass_by(state: McalState, answer: Trained, driver: Replay) -> Step:
    """Book a training and go on without asking any rule."""
    here = f"{state.iteration:03d}-passed-by"
    state = replace(_booked(state, answer), phase="label", waiting_for=here)
    none: IntArray = np.empty(0, dtype=np.int64)
    following = LabelRequest(here, Purpose.TRAIN, state.iteration, none, none, none)
    return mcal.advance(state, driver.answer(following))


def _booked(state: McalState, answer: Trained) -> McalState:
    """Charge a training and add what T shows to the records."""
    state = measuring.charged(state, answer)
    looks = [measuring.look(state, answer.pool, model) for model in answer.models]
    return replace(state, records=(*state.records, *(look.now.records[-1] for look in looks)))


def _report(end: tuple[McalState, Finished], driver: Replay) -> dict[str, object]:
    state, finished = end
    about, config = driver.recording.about, driver.config
    result = simulate.report(state, finished, driver)
    if driver.cut_short:
        size = f"{driver.recording.sizes[-1]:,}"
        result["stop_reason"] = f"the recording ends at a training set of {size} images"
    return result | {
        "recording_ended": driver.cut_short,
        "visited": driver.visited,
        "prices": {"label": config.prices.label, "compute": config.prices.compute_per_hour},
        "bought": {p.value: driver.oracle.paid(p) for p in Purpose},
        "paper": _paper(state, driver),
        "recorded": {
            "data": about.data,
            "seed": about.seed,
            "acquisition": about.acquisition,
            "given": about.given,
            "archs": list(about.archs),
            "sizes": list(driver.recording.sizes),
            "hardware": about.hardware,
        },
    }


def _paper(state: McalState, driver: Replay) -> dict[str, float]:
    """Return the paper's accounting: T and validation free, people's share = 1 - |S|/N.

    `paid_share` leaves the T images outside B out of the paid ones too; dollars count those.
    """
    config, counts = state.config, simulate.count_images(driver)
    people = config.n - counts["machine"]
    labels = (people - counts["test"]) * config.prices.label
    return {
        "human_share": people / config.n,
        "paid_share": (people - counts["test"]) / config.n,
        "labels": labels,
        "compute": state.spent_compute,
        "total": labels + state.spent_compute,
    }
