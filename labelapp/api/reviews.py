"""API: the reviewers' queue."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import MAX_ID, Body, wrong
from labelapp.models import Review, User
from labelapp.rights import Right
from labelapp.selectors.projects import access
from labelapp.selectors.reviews import describe, open_counts
from labelapp.services import review_decisions, review_undo, reviews
from labelapp.services.review_decisions import Decision


class ReviewsRequest(serializers.Serializer[Any]):
    """What a reviewer asks for."""

    reason = serializers.ChoiceField(choices=["", *Review.Reason.values], required=False)
    count = serializers.IntegerField(default=1, help_text="how many images, at most 10")
    holding = serializers.ListField(child=serializers.IntegerField(), required=False)
    again = serializers.IntegerField(
        required=False, allow_null=True, help_text="an image that I hold: it comes first, anew"
    )
    blind = serializers.BooleanField(
        default=True, help_text="of random samples: leave out what people said"
    )


class VoteOut(serializers.Serializer[Any]):
    """What one person said."""

    person = serializers.IntegerField()
    name = serializers.CharField()
    kind = serializers.CharField()
    how = serializers.CharField()
    at = serializers.DateTimeField()
    counts = serializers.BooleanField(help_text="false: an extra vote")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `class`, which Python keeps for itself."""
        return {**super().get_fields(), "class": serializers.IntegerField(allow_null=True)}


class ReviewOut(serializers.Serializer[Any]):
    """One image that waits for a reviewer."""

    id = serializers.IntegerField()
    reason = serializers.ChoiceField(choices=Review.Reason.values)
    seq = serializers.IntegerField()
    name = serializers.CharField()
    image = serializers.CharField()
    width = serializers.IntegerField()
    height = serializers.IntegerField()
    hidden = serializers.BooleanField(help_text="there is a label that is not shown")
    votes = VoteOut(many=True)
    comments = serializers.ListField(child=serializers.DictField())
    person = serializers.IntegerField(allow_null=True, help_text="whose answer is looked at")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `label`, a name that the base class uses."""
        return {**super().get_fields(), "label": serializers.IntegerField(allow_null=True)}


class ReviewsReply(serializers.Serializer[Any]):
    """The next images, and how many wait, by reason."""

    ok = serializers.BooleanField()
    reviews = ReviewOut(many=True)
    open = serializers.DictField(child=serializers.IntegerField())


class DecisionRequest(serializers.Serializer[Any]):
    """What to do with the image."""

    decision = serializers.ChoiceField(choices=["accept", "class", "send_back", "exclude"])
    person = serializers.IntegerField(
        required=False, allow_null=True, help_text="to whom it goes back"
    )
    note = serializers.CharField(required=False, max_length=review_decisions.MAX_NOTE)
    active_ms = serializers.IntegerField(default=0)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `class`, which Python keeps for itself."""
        index = serializers.IntegerField(
            required=False, allow_null=True, help_text="with accept: the class that was seen"
        )
        return {**super().get_fields(), "class": index}


class DecisionReply(serializers.Serializer[Any]):
    """What came of it; classes by index."""

    ok = serializers.BooleanField()
    outcome = serializers.ChoiceField(choices=Review.Outcome.values)
    before = serializers.IntegerField(allow_null=True)
    after = serializers.IntegerField(allow_null=True)
    stands = serializers.BooleanField(
        help_text="the label proves a certificate and stays; the finding is counted"
    )


class ReviewsView(APIView):
    """`POST /api/v1/projects/<pid>/reviews/`."""

    right = Right.REVIEW

    @extend_schema(
        operation_id="reviews_next",
        summary="The next images to review",
        request=ReviewsRequest,
        responses=ReviewsReply,
    )
    def post(self, request: Request, pid: str) -> Response:
        """Give this reviewer the next images; nobody else gets them for five minutes."""
        found = access(cast("User", request.user), pid, Right.REVIEW)
        body = Body(request.data)
        holding = body.ids("holding")
        if len(holding) > reviews.MOST_HELD:
            raise wrong("holding")
        held = reviews.hold(
            access=found,
            reason=body.text("reason", 20),
            count=body.number("count", 1, most=MAX_ID),
            holding=[_id(one) for one in holding],
            again=body.optional("again", most=MAX_ID),
        )
        blind = body.data.get("blind", True) is not False
        return Response(
            {
                "ok": True,
                "reviews": describe(found.project, held, blind=blind),
                "open": open_counts(found.project),
            }
        )


class ReviewView(APIView):
    """`POST /api/v1/projects/<pid>/reviews/<id>/`."""

    right = Right.REVIEW

    @extend_schema(
        operation_id="reviews_decide",
        summary="Decide an image",
        request=DecisionRequest,
        responses=DecisionReply,
    )
    def post(self, request: Request, pid: str, review_id: int) -> Response:
        """Carry out the decision, once; a repeat by the same person returns what it came to."""
        found = access(cast("User", request.user), pid, Right.REVIEW)
        body = Body(request.data)
        decision = Decision(
            kind=body.text("decision", 20),
            class_index=body.optional("class", most=MAX_ID),
            person=body.optional("person", most=MAX_ID),
            note=body.text("note", review_decisions.MAX_NOTE),
            active_ms=min(body.number("active_ms", 0, most=MAX_ID), 3_600_000),
        )
        done = review_decisions.decide(access=found, review_id=_id(review_id), decision=decision)
        return Response(
            {
                "ok": True,
                "outcome": done.outcome,
                "before": done.before,
                "after": done.after,
                "stands": done.stands,
            }
        )


class UndoReply(serializers.Serializer[Any]):
    """The decision is taken back: the image waits again, on this reviewer's screen."""

    ok = serializers.BooleanField()


class UndoView(APIView):
    """`POST /api/v1/projects/<pid>/reviews/<id>/undo/`."""

    right = Right.REVIEW

    @extend_schema(
        operation_id="reviews_undo",
        summary="Take back a decision",
        request=None,
        responses=UndoReply,
    )
    def post(self, request: Request, pid: str, review_id: int) -> Response:
        """Take back what this reviewer decided, while nothing was built on it; once."""
        found = access(cast("User", request.user), pid, Right.REVIEW)
        review_undo.undo(access=found, review_id=_id(review_id))
        return Response({"ok": True})


def _id(value: int) -> int:
    """Return an id that a database can be asked for."""
    if not 0 <= value <= MAX_ID:
        raise wrong("id")
    return value


urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/reviews/", ReviewsView.as_view(), name="api_reviews"),
    path("projects/<str:pid>/reviews/<int:review_id>/", ReviewView.as_view(), name="api_review"),
    path(
        "projects/<str:pid>/reviews/<int:review_id>/undo/",
        UndoView.as_view(),
        name="api_review_undo",
    ),
]
