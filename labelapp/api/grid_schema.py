"""The shapes of the grids' API for its description (/api/v1/schema/)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from labelapp.api.labelling_schema import ProgressOut, ResultOut, TaskOut

_Fields = dict[str, serializers.Field[Any, Any, Any, Any]]


def _ids(help_text: str) -> serializers.ListField:
    return serializers.ListField(child=serializers.IntegerField(), help_text=help_text)


class SimilarRequest(serializers.Serializer[Any]):
    """What to look for."""

    selected = _ids("1 to 200 task ids: look for images like these")
    count = serializers.IntegerField(default=20, help_text="at most 100")
    holding = serializers.ListField(child=serializers.IntegerField(), required=False)


class SimilarReply(serializers.Serializer[Any]):
    """The tasks leased, and how much was searched."""

    ok = serializers.BooleanField()
    tasks = TaskOut(many=True)
    lost = _ids("of `holding`: somebody else has them by now")
    searched = serializers.IntegerField(help_text="open images that were compared")
    left = serializers.IntegerField(help_text="answers that are open in all batches like this")
    complete = serializers.BooleanField(help_text="all that others do not hold were searched")


class PageRequest(serializers.Serializer[Any]):
    """Which page to open."""

    id = serializers.UUIDField(help_text="made by the client; a repeat returns the same page")
    count = serializers.IntegerField(default=40, help_text="20 to 60 images")

    def get_fields(self) -> _Fields:
        """Add `class`, which Python keeps for itself."""
        words = "the predicted class; null: the one with the most open images"
        field = serializers.IntegerField(required=False, allow_null=True, help_text=words)
        return {**super().get_fields(), "class": field}


class TileOut(serializers.Serializer[Any]):
    """One image of a page."""

    tile = serializers.IntegerField(help_text="its place")
    seq = serializers.IntegerField()
    image = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()


class PageOut(serializers.Serializer[Any]):
    """A page."""

    id = serializers.UUIDField()
    state = serializers.ChoiceField(choices=["open", "taken", "returned"])
    tiles = TileOut(many=True)

    def get_fields(self) -> _Fields:
        """Add `class`."""
        return {**super().get_fields(), "class": serializers.IntegerField()}


class ClassCount(serializers.Serializer[Any]):
    """How many open images of a predicted class were found."""

    count = serializers.IntegerField()

    def get_fields(self) -> _Fields:
        """Add `class`."""
        return {**super().get_fields(), "class": serializers.IntegerField()}


class PageReply(serializers.Serializer[Any]):
    """A page, or why there is none."""

    ok = serializers.BooleanField()
    page = PageOut(allow_null=True)
    reason = serializers.ChoiceField(
        choices=["", "closed", "paused", "no_predictions", "no_model", "nothing_left"]
    )
    classes = ClassCount(many=True)
    progress = ProgressOut()


class SubmitRequest(serializers.Serializer[Any]):
    """A page as its reader leaves it."""

    shown_ms = serializers.IntegerField(help_text="how long it was on screen")
    wrong = serializers.DictField(
        child=serializers.IntegerField(allow_null=True),
        help_text="places of images of another class: that class, or null for 'others are asked'",
    )
    guideline_version = serializers.IntegerField(default=0)


class AnswerOut(serializers.Serializer[Any]):
    """A task that the page answered: what an undo needs."""

    task = serializers.IntegerField()
    token = serializers.CharField()

    def get_fields(self) -> _Fields:
        """Add `class`."""
        return {**super().get_fields(), "class": serializers.IntegerField()}


class SubmitReply(serializers.Serializer[Any]):
    """What became of the page."""

    ok = serializers.BooleanField()
    state = serializers.ChoiceField(choices=["taken", "returned"])
    reason = serializers.ChoiceField(choices=["", "fast", "missed"])
    released = serializers.IntegerField(help_text="images that others are asked")
    results = ResultOut(many=True)
    answers = AnswerOut(many=True)
    progress = ProgressOut()
