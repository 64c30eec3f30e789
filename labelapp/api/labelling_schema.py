"""The shapes of the labelling API for its description (/api/v1/schema/).

The views read their small bodies by hand: DRF's serializers cost more than the query beside them.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


def _ids() -> serializers.ListField:
    return serializers.ListField(child=serializers.IntegerField(), required=False)


def _on_screen() -> serializers.IntegerField:
    return serializers.IntegerField(
        required=False,
        allow_null=True,
        help_text="the task that the person sees; without this field the first of `holding`",
    )


class TasksRequest(serializers.Serializer[Any]):
    """What a client asks for."""

    count = serializers.IntegerField(default=1, help_text="how many tasks, at most 100")
    holding = _ids()
    on_screen = _on_screen()


class AnswerIn(serializers.Serializer[Any]):
    """One answer."""

    id = serializers.UUIDField(help_text="made by the client; a repeat is harmless")
    task = serializers.IntegerField()
    token = serializers.CharField(help_text="came with the task")
    kind = serializers.ChoiceField(choices=["class", "skip", "unsure", "withdrawn"])
    active_ms = serializers.IntegerField(default=0)
    how = serializers.CharField(default="key", max_length=8)
    guideline_version = serializers.IntegerField(default=0)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `class`, which Python keeps for itself."""
        return {
            **super().get_fields(),
            "class": serializers.IntegerField(
                required=False, allow_null=True, help_text="the class's index, for kind class"
            ),
        }


class AnswersRequest(TasksRequest):
    """Answers, and a request for the next tasks."""

    answers = AnswerIn(many=True)
    user = serializers.IntegerField(
        required=False, help_text="who gave them; 409 if somebody else is signed in"
    )


class HeartbeatRequest(serializers.Serializer[Any]):
    """The tasks that the page has."""

    holding = _ids()
    on_screen = _on_screen()


class HeartbeatReply(serializers.Serializer[Any]):
    """The tasks that somebody else has by now."""

    ok = serializers.BooleanField()
    lost = _ids()


class TaskOut(serializers.Serializer[Any]):
    """A task."""

    id = serializers.IntegerField()
    token = serializers.CharField()
    seq = serializers.IntegerField(help_text="the image's number in the project")
    image = serializers.CharField(help_text="address of the display-size copy")
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    purpose_hint = serializers.ChoiceField(
        choices=["random", "unsure", "leftover", "ahead", "returned", "expert"]
    )
    lease_seconds = serializers.IntegerField()
    top = serializers.ListField(
        child=serializers.IntegerField(),
        required=False,
        help_text="class indexes, the most probable first; never for test and audit images",
    )
    note = serializers.CharField(required=False, help_text="a reviewer's words, where sent back")
    expert = serializers.BooleanField(required=False)


class StatusOut(serializers.Serializer[Any]):
    """Why there is work, or none."""

    state = serializers.CharField()
    message = serializers.CharField()
    seconds_left = serializers.FloatField(allow_null=True)


class ProgressOut(serializers.Serializer[Any]):
    """How far this person and the batch are."""

    done = serializers.IntegerField(help_text="labelled by this person since midnight, UTC")
    left_in_batch = serializers.IntegerField()


class TasksReply(HeartbeatReply):
    """Tasks, or why there are none."""

    tasks = TaskOut(many=True)
    status = StatusOut()
    progress = ProgressOut()


class ResultOut(serializers.Serializer[Any]):
    """What became of one answer."""

    id = serializers.CharField(allow_null=True)
    ok = serializers.BooleanField()
    state = serializers.ChoiceField(
        required=False,
        choices=[
            "accepted",
            "duplicate",
            "extra",
            "corrected",
            "withdrawn",
            "skipped",
            "unsure",
        ],
    )
    code = serializers.CharField(required=False)
    error = serializers.CharField(required=False)


class AnswersReply(TasksReply):
    """What became of the answers, and the next tasks."""

    results = ResultOut(many=True)
