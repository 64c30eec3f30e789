"""The labelling API as a client sees it."""

from __future__ import annotations

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from labelapp.models import Answer, GoldItem, Label, Membership, Project, Review, Task
from labelapp.models import TestMark as Mark
from labelapp.selectors import labelling, predictions

ROUTES = ["tasks", "answers", "heartbeat"]


@pytest.fixture
def ann(sign_in, cast, batch) -> Client:
    return sign_in(cast.annotator)


def post(client: Client, project: Project, what: str, body: object = None):
    return client.post(
        f"/api/v1/projects/{project.public_id}/{what}/",
        {} if body is None else body,
        content_type="application/json",
    )


def answer(task: dict, class_index: int | None = 1, kind: str = "class", **changes) -> dict:
    return {
        "id": str(uuid.uuid4()),
        "task": task["id"],
        "token": task["token"],
        "kind": kind,
        "class": class_index,
        "active_ms": 700,
        "how": "key",
        "guideline_version": 0,
        **changes,
    }


def test_tasks_come_with_all_that_the_page_needs(ann, project, batch):
    reply = post(ann, project, "tasks", {"count": 9}).json()
    assert reply["ok"] is True
    assert len(reply["tasks"]) == 9
    first = reply["tasks"][0]
    assert first["image"] == f"/p/{project.public_id}/images/{first['seq']}/display/"
    assert (first["width"], first["height"], first["lease_seconds"]) == (28, 28, 90)
    assert first["purpose_hint"] == "random"
    assert reply["progress"] == {"done": 0, "left_in_batch": 20}
    assert reply["status"]["state"] == "labelling"


def test_an_answer_brings_the_next_task(ann, project, batch):
    tasks = post(ann, project, "tasks", {"count": 3}).json()["tasks"]
    given = answer(tasks[0], 2)
    body = {"answers": [given], "count": 1, "holding": [task["id"] for task in tasks[1:]]}
    reply = post(ann, project, "answers", body).json()
    assert reply["results"] == [{"id": given["id"], "ok": True, "state": "accepted"}]
    assert len(reply["tasks"]) == 1
    assert reply["tasks"][0]["id"] not in {task["id"] for task in tasks}
    assert reply["progress"] == {"done": 1, "left_in_batch": 19}
    assert Label.objects.get().class_index == 2


def test_a_repeated_request_gets_the_same_result(ann, project, batch):
    (task,) = post(ann, project, "tasks", {"count": 1}).json()["tasks"]
    body = {"answers": [answer(task)]}
    post(ann, project, "answers", body)
    again = post(ann, project, "answers", body)
    assert again.status_code == 200
    assert again.json()["results"][0]["state"] == "duplicate"
    assert again.json()["progress"] == {"done": 1, "left_in_batch": 19}


def test_a_refused_answer_has_its_code_in_its_result(ann, project, batch):
    (task,) = post(ann, project, "tasks", {"count": 1}).json()["tasks"]
    reply = post(ann, project, "answers", {"answers": [answer(task, 50)]})
    assert reply.status_code == 200
    (result,) = reply.json()["results"]
    assert (result["ok"], result["code"]) == (False, "unknown_class")
    assert "class" in result["error"]


def test_a_test_image_looks_like_any_other(ann, project, batch):
    for purpose in ("seed", "test", "audit"):
        type(batch).objects.update(purpose=purpose)
        (task,) = post(ann, project, "tasks", {"count": 1}).json()["tasks"]
        assert task["purpose_hint"] == "random"


def test_a_skip_and_an_undo_go_the_same_way(ann, project, batch):
    first, second = post(ann, project, "tasks", {"count": 2}).json()["tasks"]
    body = {
        "answers": [
            answer(first, None, "skip"),
            answer(second),
            answer(second, None, "withdrawn"),
        ]
    }
    results = post(ann, project, "answers", body).json()["results"]
    assert [result["state"] for result in results] == ["skipped", "accepted", "withdrawn"]


def test_a_heartbeat_keeps_what_is_held(ann, project, batch):
    held = [task["id"] for task in post(ann, project, "tasks", {"count": 2}).json()["tasks"]]
    Task.objects.filter(pk=held[1]).update(lease_user=None, lease_until=None)
    reply = post(ann, project, "heartbeat", {"holding": held}).json()
    assert reply == {"ok": True, "lost": [held[1]]}


def test_a_lost_task_is_named_with_the_next_tasks_too(ann, project, batch):
    held = [task["id"] for task in post(ann, project, "tasks", {"count": 2}).json()["tasks"]]
    Task.objects.filter(pk=held[1]).update(lease_user=None, lease_until=None)
    reply = post(ann, project, "tasks", {"count": 0, "holding": held}).json()
    assert reply["lost"] == [held[1]]


@pytest.mark.parametrize("route", ROUTES)
def test_an_outsider_sees_nothing(sign_in, cast, project, batch, route):
    reply = post(sign_in(cast.outsider), project, route)
    assert reply.status_code == 404
    assert reply.json()["code"] == "not_found"


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_works_without_signing_in(project, batch, route):
    reply = post(Client(), project, route)
    assert reply.status_code == 403
    assert reply.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("route", ROUTES)
def test_a_request_without_the_csrf_token_is_refused(cast, project, batch, route):
    client = Client(enforce_csrf_checks=True)
    client.force_login(cast.annotator, backend="django.contrib.auth.backends.ModelBackend")
    reply = post(client, project, route)
    assert reply.status_code == 403
    assert reply.json()["code"] == "permission_denied"


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("tasks", {"count": "9"}),
        ("tasks", {"count": True}),
        ("tasks", {"holding": "1"}),
        ("tasks", {"holding": [True]}),
        ("tasks", {"holding": [-1]}),
        ("tasks", {"holding": [2**70]}),
        ("heartbeat", {"holding": {"1": 2}}),
        ("heartbeat", {"holding": list(range(500))}),
        ("answers", {"answers": {"id": 1}}),
        ("answers", {"answers": [{}] * 300}),
        ("tasks", [1, 2]),
    ],
)
def test_a_wrong_body_is_a_clear_error(ann, project, route, body):
    reply = post(ann, project, route, body)
    assert reply.status_code == 400
    assert reply.json()["code"] == "invalid_input"


def test_answers_meant_for_another_account_are_kept_back(ann, cast, project, batch):
    (task,) = post(ann, project, "tasks", {"count": 1}).json()["tasks"]
    body = {"answers": [answer(task)], "user": cast.owner.pk}
    reply = post(ann, project, "answers", body)
    assert (reply.status_code, reply.json()["code"]) == (409, "conflict")
    assert not Answer.objects.exists()


def test_managers_and_owners_may_label_too(sign_in, cast, project, batch):
    for user in (cast.owner, cast.manager):
        assert post(sign_in(user), project, "tasks", {"count": 1}).status_code == 200


def test_a_deactivated_person_gets_nothing(ann, cast, project, batch):
    cast.annotator.is_active = False
    cast.annotator.save(update_fields=["is_active"])
    assert post(ann, project, "tasks", {"count": 1}).status_code == 403


def test_the_count_of_today_leaves_out_what_was_taken_back(ann, project, batch):
    first, second = post(ann, project, "tasks", {"count": 2}).json()["tasks"]
    body = {"answers": [answer(first), answer(second), answer(second, None, "withdrawn")]}
    assert post(ann, project, "answers", body).json()["progress"]["done"] == 1


def test_an_answer_with_the_next_task_takes_few_queries(
    ann, project, batch, django_assert_max_num_queries
):
    tasks = post(ann, project, "tasks", {"count": 9}).json()["tasks"]
    body = {"answers": [answer(tasks[0])], "count": 1, "holding": [t["id"] for t in tasks[1:]]}
    with django_assert_max_num_queries(24):
        post(ann, project, "answers", body)


def test_a_paused_project_says_so(ann, project, batch):
    Project.objects.filter(pk=project.pk).update(status=Project.Status.PAUSED)
    reply = post(ann, project, "tasks", {"count": 9}).json()
    assert reply["tasks"] == []
    assert reply["status"]["state"] == "paused"
    assert "paused" in reply["status"]["message"]


def test_an_archived_project_says_so(ann, project, batch):
    Project.objects.filter(pk=project.pk).update(archived_at=timezone.now())
    assert post(ann, project, "tasks", {"count": 9}).json()["status"]["state"] == "archived"


def test_a_project_without_a_run_says_what_is_missing(sign_in, cast, project):
    reply = post(sign_in(cast.annotator), project, "tasks", {"count": 9}).json()
    assert reply["status"]["state"] == "setup"
    assert reply["progress"] == {"done": 0, "left_in_batch": 0}


def test_when_others_hold_the_last_images_the_page_says_so(ann, sign_in, cast, project, batch):
    ben = sign_in(cast.second_annotator)
    tasks = post(ben, project, "tasks", {"count": 20}).json()["tasks"]
    body = {"answers": [answer(task) for task in tasks[:19]], "holding": [tasks[19]["id"]]}
    post(ben, project, "answers", body)
    status = post(ann, project, "tasks", {"count": 9}).json()["status"]
    assert status["state"] == "labelling"
    assert "other people" in status["message"]


def test_when_the_model_trains_without_a_worker_the_page_says_so(ann, project, batch):
    tasks = post(ann, project, "tasks", {"count": 20}).json()["tasks"]
    reply = post(ann, project, "answers", {"answers": [answer(t) for t in tasks], "count": 9})
    status = reply.json()["status"]
    assert status["state"] == "no_worker"
    assert "worker" in status["message"]


def test_what_is_on_screen_is_held_harder_than_the_rest(ann, project, batch):
    first, second = (t["id"] for t in post(ann, project, "tasks", {"count": 2}).json()["tasks"])

    def soft() -> dict[int, bool]:
        return dict(Task.objects.filter(pk__in=[first, second]).values_list("pk", "lease_soft"))

    assert soft() == {first: False, second: True}
    held = {"holding": [first, second]}
    post(ann, project, "heartbeat", {**held, "on_screen": second})
    assert soft() == {first: True, second: False}
    post(ann, project, "heartbeat", held)  # without the field: the first one
    assert soft() == {first: False, second: True}
    post(ann, project, "tasks", {**held, "count": 0, "on_screen": None})
    assert soft() == {first: True, second: True}


@pytest.mark.parametrize("value", ["1", True, 1.5, [1]])
def test_a_wrong_task_on_screen_is_a_clear_error(ann, project, value):
    for route in ROUTES:
        reply = post(ann, project, route, {"on_screen": value})
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid_input")


def test_cannot_tell_goes_to_an_expert_who_is_told_why(ann, sign_in, cast, project, batch):
    tasks = post(ann, project, "tasks", {"count": 20}).json()["tasks"]
    hard, *others = tasks
    body = {"answers": [answer(hard, None, "unsure"), *map(answer, others)]}
    results = post(ann, project, "answers", body).json()["results"]
    assert results[0]["state"] == "unsure"
    (task,) = post(sign_in(cast.manager), project, "tasks", {"count": 9}).json()["tasks"]
    assert (task["id"], task["purpose_hint"], task["expert"]) == (hard["id"], "expert", True)
    again = post(ann, project, "tasks", {"count": 9}).json()
    assert again["tasks"] == []
    assert "other people" in again["status"]["message"]


def test_what_was_sent_back_says_so_and_shows_the_note(ann, cast, project, batch):
    (task,) = post(ann, project, "tasks", {"count": 1}).json()["tasks"]
    post(ann, project, "answers", {"answers": [answer(task)]})
    Task.objects.filter(pk=task["id"]).update(state="assigned", lease_user=cast.annotator)
    Review.objects.create(
        project=project,
        image_id=Task.objects.get(pk=task["id"]).image_id,
        task_id=task["id"],
        reason="sample",
        state="done",
        outcome="sent_back",
        note="Look at the ears.",
    )
    first, second = post(ann, project, "tasks", {"count": 2}).json()["tasks"]
    assert (first["id"], first["purpose_hint"]) == (task["id"], "returned")
    assert first["note"] == "Look at the ears."
    assert "note" not in second


def test_a_paused_person_is_told_why(ann, cast, project, batch):
    Membership.objects.filter(user=cast.annotator).update(
        paused_at=timezone.now(), pause_reason="Please read the guidelines again."
    )
    reply = post(ann, project, "tasks", {"count": 9}).json()
    assert (reply["tasks"], reply["status"]["state"]) == ([], "paused")
    assert "read the guidelines" in reply["status"]["message"]


def test_the_reply_to_the_answer_that_pauses_says_so(ann, cast, project, batch):
    image = project.images.order_by("-pk").first()
    square = project.classes.get(index=1)
    GoldItem.objects.create(project=project, image=image, label_class=square, source="uploaded")
    Project.objects.update(gold_first=1, gold_pause_below=0.9, gold_pause_after=1)
    gold, second = post(ann, project, "tasks", {"count": 2}).json()["tasks"]
    body = {"answers": [answer(gold, 2)], "count": 5, "holding": [second["id"]]}
    reply = post(ann, project, "answers", body).json()
    assert (reply["tasks"], reply["lost"], reply["status"]["state"]) == ([], [], "paused")
    assert "Of 1 image" in reply["status"]["message"]
    late = post(ann, project, "answers", {"answers": [answer(second)], "count": 5}).json()
    assert (late["results"][0]["state"], late["tasks"]) == ("accepted", [])


@pytest.fixture
def _certain_model(monkeypatch):
    """A model that would show a guess for every image that may be shown with one."""
    monkeypatch.setattr(
        labelling,
        "top_of",
        lambda project, asked: {seq: [2, 0] for seq in predictions.showable(project, asked)},
    )


@pytest.mark.usefixtures("_certain_model")
@pytest.mark.parametrize("purpose", ["test", "seed", "audit", "gold", "train", "residual", "ahead"])
def test_guesses_are_shown_only_where_they_can_do_no_harm(ann, cast, project, batch, purpose):
    type(batch).objects.update(purpose=purpose)
    if purpose == "gold":
        Task.objects.update(state="assigned", lease_user=cast.annotator)
        type(batch).objects.update(state="done")
    tasks = post(ann, project, "tasks", {"count": 3}).json()["tasks"]
    assert len(tasks) == 3
    assert all(("top" in task) == (purpose in {"train", "residual", "ahead"}) for task in tasks)


@pytest.mark.usefixtures("_certain_model")
def test_a_test_mark_is_never_shown_with_a_guess(ann, project, batch):
    type(batch).objects.update(purpose="train")
    marked = Task.objects.order_by("rank").first()
    Mark.objects.create(run=project.run, image=marked.image, seq=marked.image.seq)
    first, second = post(ann, project, "tasks", {"count": 2}).json()["tasks"]
    assert (first["id"], "top" in first, "top" in second) == (marked.pk, False, True)


@pytest.mark.usefixtures("_certain_model")
def test_no_image_shows_a_guess_where_gold_is_among_the_images(ann, project, batch):
    type(batch).objects.update(purpose="train")
    Project.objects.update(gold_share=0.01)
    tasks = post(ann, project, "tasks", {"count": 3}).json()["tasks"]
    assert len(tasks) == 3
    assert not any("top" in task for task in tasks)


@pytest.mark.usefixtures("_certain_model")
def test_newcomers_see_no_guesses_beside_their_gold(ann, project, batch, cast):
    type(batch).objects.update(purpose="train")
    image = project.images.order_by("-pk").first()
    square = project.classes.get(index=1)
    GoldItem.objects.create(project=project, image=image, label_class=square, source="uploaded")
    Project.objects.update(gold_first=1)
    gold, *others = post(ann, project, "tasks", {"count": 3}).json()["tasks"]
    assert Task.objects.get(pk=gold["id"]).batch.purpose == "gold"
    assert [task.keys() for task in others] == [gold.keys()] * 2
    body = {"answers": [answer(gold)], "count": 1, "holding": [task["id"] for task in others]}
    following = post(ann, project, "answers", body).json()["tasks"]
    assert ["top" in task for task in following] == [True]


def test_gold_looks_like_the_batch_that_is_open(ann, cast, project, batch):
    type(batch).objects.update(purpose="train")
    gold = type(batch).objects.create(
        run=project.run,
        project=project,
        request_id="gold",
        iteration=0,
        purpose="gold",
        size=0,
        remaining=0,
        state="done",
    )
    task = Task.objects.filter(batch=batch).last()
    Task.objects.filter(pk=task.pk).update(
        batch=gold, state="assigned", lease_user=cast.annotator, rank=-1
    )
    first, second = post(ann, project, "tasks", {"count": 2}).json()["tasks"]
    assert first["id"] == task.pk
    assert first.keys() == second.keys()
    assert first["purpose_hint"] == second["purpose_hint"] == "unsure"
