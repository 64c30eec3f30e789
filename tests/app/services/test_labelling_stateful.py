"""Several people at once, in any order of events: no answer is lost, none is filed twice.

Hypothesis invents what people do: fetch, answer, skip, cannot tell, undo, correct, send again,
let leases lapse, answer late, while managers release tasks, exclude images and change how many
answers they want. After each step the rows must agree with one another; at the end everybody
goes on with what they get, and the batch must come to its end.
"""

from __future__ import annotations

import contextlib
import os
from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from labelapp.errors import ConflictError
from labelapp.models import (
    Answer,
    Exclusion,
    Label,
    LabelBatch,
    LedgerEntry,
    Membership,
    Project,
    ProjectCounter,
    Review,
    Run,
    Task,
)
from labelapp.orders import LabelOrder
from labelapp.rights import Role
from labelapp.selectors.projects import access
from labelapp.selectors.runs import recount
from labelapp.services import batches, claims, reviews
from labelapp.services.exclusions import exclude
from labelapp.services.labelling import next_tasks, submit
from labelapp.services.leases import release
from labelapp.services.review_decisions import Decision, decide
from labelapp.services.votes import majority
from tests.app.conftest import add_images, make_cast, make_project
from tests.app.services.labelling_help import answer

IMAGES = 3
WHO = st.integers(0, 3)
WHICH = st.integers(0, 10**6)
CLASS = st.integers(0, 2)
WANTED = {"open", "expert", "assigned"}


def is_second_look(slot: Task, filled: set[int]) -> bool:
    """Tell whether the slot was sent back to whoever filled it: their answer stands meanwhile."""
    return slot.state == "assigned" and slot.pk in filled


class Queue(RuleBasedStateMachine):
    """One batch, four people (one of them a reviewer), and all that can happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        cast = make_cast()
        self.project = make_project(cast)
        self.people = [cast.annotator, cast.second_annotator, cast.manager, cast.outsider]
        Membership.objects.create(project=self.project, user=cast.outsider, role=Role.ANNOTATOR)
        self.owner = cast.owner
        self.images = add_images(self.project, IMAGES)
        self.given: dict[int, list[int]] = {person: [] for person in range(4)}
        self.sent: dict[int, list[dict[str, object]]] = {person: [] for person in range(4)}
        self.looks = 0  # of the reviewer: each is paid
        self.kept: dict[str, tuple[int, str, object]] = {}  # acknowledged: person, kind, class

    def teardown(self) -> None:
        try:
            if hasattr(self, "batch"):
                self.everybody_goes_on()
        finally:
            transaction.set_rollback(True)
            self.savepoint.__exit__(None, None, None)

    @initialize(
        overlap=st.integers(1, 3),
        share=st.sampled_from([1.0, 0.5]),
        most=st.sampled_from([0, 3, 4]),
        policy=st.sampled_from(Project.SkipPolicy.values),
        purpose=st.sampled_from(["train", "test", "audit", "residual"]),
    )
    def begin(self, overlap, share, most, policy, purpose):
        Project.objects.filter(pk=self.project.pk).update(
            overlap=overlap,
            overlap_share=share,
            overlap_max=most,
            skip_policy=policy,
            status=Project.Status.RUNNING,
        )
        self.project.refresh_from_db()
        run = Run.objects.create(
            project=self.project,
            n=IMAGES,
            config={"seed": 1},
            state={},
            waiting_for="x",
            request_kind="label",
        )
        everything = list(range(IMAGES))
        order = LabelOrder(
            id="x",
            purpose=purpose,
            iteration=0,
            buy=everything,
            train=everything if purpose == "train" else [],
            mark=everything if purpose == "test" else [],
        )
        self.batch = batches.open_batch(run=run, order=order)
        for person in range(4):  # so that there is something to answer, and something late
            self.take(person, next_tasks(access=self.entry(person), count=2))
            Task.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    def entry(self, person: int):
        return access(self.people[person], self.project.public_id)

    def send(self, person: int, *answers: dict[str, object], **more) -> list[str]:
        work = submit(access=self.entry(person), answers=answers, **more)
        self.take(person, work)
        self.sent[person] += answers
        states = []
        for one, result in zip(answers, work.results, strict=True):
            states.append(str(result.get("state") or result["code"]))
            if result["ok"]:
                self.kept[str(one["id"])] = (person, str(one["kind"]), one["class"])
            else:
                assert result["code"] == "conflict", result
        return states

    def take(self, person: int, work) -> None:
        """Note what somebody was given; nobody gets an image that they have answered."""
        answered = set(
            Answer.objects.filter(
                user=self.people[person], kind="class", extra=False, superseded_by=None
            ).values_list("image_id", flat=True)
        )
        images = [held.image_id for held in work.held if held.state != "assigned"]
        assert len(images) == len(set(images))
        assert answered.isdisjoint(images)
        self.given[person] += [held.task_id for held in work.held]

    def pick(self, person: int, which: int) -> int:
        """Any task that this person was ever given, the newest ones more often."""
        tasks = self.given[person]
        return tasks[-1 - which % min(3, len(tasks))] if which % 2 else tasks[which % len(tasks)]

    @rule(person=WHO, count=st.integers(1, 3))
    def fetch(self, person, count):
        self.take(person, next_tasks(access=self.entry(person), count=count))

    @rule(person=WHO, which=WHICH, index=CLASS, more=st.integers(0, 2))
    def label(self, person, which, index, more):
        if self.given[person]:
            task = self.pick(person, which)
            who = self.entry(person)
            held = [one for one in self.given[person][-2:] if one != task]
            self.send(person, answer(who, task, **{"class": index}), count=more, holding=held)

    @rule(person=WHO, which=WHICH, kind=st.sampled_from(["skip", "unsure", "withdrawn"]))
    def say(self, person, which, kind):
        if self.given[person]:
            self.send(person, answer(self.entry(person), self.pick(person, which), kind))

    @rule(person=WHO, which=WHICH, index=CLASS)
    def change_of_mind(self, person, which, index):
        """An answer, its undo and another answer in one request."""
        if self.given[person]:
            who, task = self.entry(person), self.pick(person, which)
            self.send(
                person,
                answer(who, task, **{"class": index}),
                answer(who, task, "withdrawn"),
                answer(who, task, **{"class": (index + 1) % 3}),
            )

    @rule(which=WHICH, index=CLASS, undo=st.booleans())
    def second_thoughts(self, which, index, undo):
        """Whoever gave an answer that counts takes it back, or gives another one."""
        votes = Answer.objects.filter(kind="class", superseded_by=None, extra=False)
        votes = list(votes.order_by("created", "pk"))
        if votes:
            vote = votes[which % len(votes)]
            person = [user.pk for user in self.people].index(vote.user_id)
            who = self.entry(person)
            changed = {"kind": "withdrawn"} if undo else {"class": index}
            self.send(person, answer(who, vote.task_id, **changed))

    @rule(person=WHO, which=WHICH)
    def send_again(self, person, which):
        """A reply was lost: the same request once more changes nothing."""
        if self.sent[person]:
            again = self.sent[person][which % len(self.sent[person])]
            before = Answer.objects.count()
            (state,) = self.send(person, again)
            if str(again["id"]) in self.kept and before == Answer.objects.count():
                assert state == "duplicate"

    @rule(which=WHICH)
    def lapse(self, which):
        """Some leases are over."""
        held = list(Task.objects.exclude(lease_user=None).values_list("pk", flat=True))
        over = [pk for place, pk in enumerate(held) if which >> (place % 16) & 1]
        Task.objects.filter(pk__in=over).update(lease_until=timezone.now() - timedelta(seconds=1))

    @rule(person=WHO)
    def let_go(self, person):
        owner = access(self.owner, self.project.public_id)
        release(access=owner, user_id=self.people[person].pk)

    @precondition(lambda self: self.batch.purpose != "audit")
    @rule(which=WHICH)
    def nobody_can_tell(self, which):
        owner = access(self.owner, self.project.public_id)
        exclude(access=owner, image_id=self.images[which % IMAGES].pk, reason="black")

    @rule(which=WHICH)
    def send_back(self, which):
        """A reviewer wants somebody to look again; their answer stands meanwhile."""
        votes = Answer.objects.filter(kind="class", superseded_by=None, extra=False)
        votes = list(votes.filter(task__state="done").order_by("created"))
        if votes and which % 2:
            vote = votes[which % len(votes)]
            Task.objects.filter(pk=vote.task_id).update(
                state="assigned", lease_user=vote.user_id, lease_until=None
            )

    @rule(which=WHICH)
    def send_back_what_was_passed_on(self, which):
        """A reviewer wants whoever could not tell to look again: the slot waits for them."""
        asked = list(Review.objects.filter(state="open", reason__in=["skipped", "unsure"]))
        if asked and which % 2:
            review = sorted(asked, key=lambda one: one.pk)[which % len(asked)]
            decision = Decision("send_back", person=review.person_id, note="Look again.")
            with contextlib.suppress(ConflictError):  # somebody has answered it since
                decide(access=self.entry(2), review_id=review.pk, decision=decision)
                self.looks += 1

    @rule(which=WHICH)
    def recall(self, which):
        """A manager takes back what waits for one person."""
        waiting = list(Task.objects.filter(state="assigned").order_by("pk"))
        if waiting and which % 2:
            owner = access(self.owner, self.project.public_id)
            reviews.recall(access=owner, task_id=waiting[which % len(waiting)].pk)

    @rule(overlap=st.integers(1, 3), most=st.sampled_from([0, 3, 4]))
    def want_other_numbers(self, overlap, most):
        """The new number holds for the next batches; people who differ are asked by the new one."""
        Project.objects.filter(pk=self.project.pk).update(overlap=overlap, overlap_max=most)

    # --- what must always hold ---------------------------------------------------------------

    @invariant()
    def the_rows_agree(self):
        if not hasattr(self, "batch"):
            return
        self.acknowledged_answers_are_there()
        missing = self.slots_are_filled_once()
        self.batch.refresh_from_db()
        assert self.batch.remaining == missing
        assert (self.batch.state == LabelBatch.State.DONE) >= (missing == 0)
        counter = ProjectCounter.objects.get(project=self.project)
        expected = recount(self.project)
        assert {name: getattr(counter, name) for name in expected} == expected
        assert counter.answers == Answer.objects.count() + self.looks
        self.money_agrees(counter)

    def acknowledged_answers_are_there(self):
        rows = {
            str(pk): (user, kind, index)
            for pk, user, kind, index in Answer.objects.values_list(
                "pk", "user_id", "kind", "label_class__index"
            )
        }
        assert rows == {
            pk: (self.people[person].pk, kind, index)
            for pk, (person, kind, index) in self.kept.items()
        }

    def slots_are_filled_once(self) -> int:
        """Check each image of the batch; return how many answers it misses."""
        tasks, votes = defaultdict(list), defaultdict(list)
        for task in Task.objects.all():
            tasks[task.image_id].append(task)
        current = Answer.objects.filter(kind="class", superseded_by=None, extra=False)
        for vote in current.select_related("label_class").order_by("created", "pk"):
            votes[vote.image_id].append(vote)
        labels = {label.image_id: label for label in Label.objects.all()}
        excluded = set(Exclusion.objects.values_list("image_id", flat=True))
        missing = 0
        for image, slots in tasks.items():
            given = votes[image]
            filled = {vote.task_id for vote in given}
            done = {s.pk for s in slots if s.state == "done" or is_second_look(s, filled)}
            still = [s for s in slots if s.state in WANTED and not is_second_look(s, filled)]
            assert len({vote.user_id for vote in given}) == len(given)
            if image not in excluded:  # there what was sent back is dropped, and its answer stays
                assert sorted(vote.task_id for vote in given) == sorted(done)
            wanted = max(slot.wanted for slot in slots)
            assert len(given) <= wanted
            if image in excluded:
                assert not still
                assert image not in labels
                continue
            missing += wanted - len(given)
            assert min(1, wanted - len(given)) <= len(still) <= wanted - len(given)
            self.the_label_is_the_majority(labels.get(image), given)
        return missing

    def the_label_is_the_majority(self, label, given):
        if not given:
            assert label is None
            return
        found = majority([vote.label_class.index for vote in given])
        assert (label.class_index, label.votes) == (found.class_index, len(given))
        assert label.answer in given
        assert label.answer.label_class.index == label.class_index
        assert label.agreement == (found.agreement if len(given) > 1 else None)

    def money_agrees(self, counter):
        """Each answer that fills a slot is paid once, whoever excluded the image since."""
        spent = LedgerEntry.objects.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
        assert abs(spent - counter.label_spend) < Decimal("1e-9")
        votes = Answer.objects.filter(kind="class", superseded_by=None, extra=False).count()
        assert abs(spent - (votes + self.looks) * self.project.price_per_label) < Decimal("1e-9")

    def everybody_goes_on(self):
        """All who are there answer all they get: the batch must come to its end."""
        Task.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        for _ in range(60):
            nothing = True
            for person in range(4):
                work = next_tasks(access=self.entry(person), count=9)
                self.take(person, work)
                who = self.entry(person)
                for held in work.held:
                    nothing = False
                    self.send(person, answer(who, held.task_id))
            if nothing:
                break
        self.the_rows_agree()
        assert self.batch.state == LabelBatch.State.DONE
        assert self.batch.remaining == 0


@pytest.mark.django_db
def test_whatever_people_do_nothing_is_lost_and_nothing_is_counted_twice(monkeypatch):
    monkeypatch.setattr(claims, "WINDOW", 4)  # so that cursors move with four images already
    run_state_machine_as_test(
        Queue,
        settings=settings(
            max_examples=int(os.environ.get("MCAL_TEST_EXAMPLES", "20")),
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
