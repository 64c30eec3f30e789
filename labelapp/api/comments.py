"""API: comments on images."""

from __future__ import annotations

from typing import Any, cast

from django.urls import URLPattern, path
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labelapp.api.body import MAX_SMALL, Body, wrong
from labelapp.models import User
from labelapp.rights import Right
from labelapp.selectors.comments import comments_on
from labelapp.selectors.projects import access
from labelapp.services import comments


class CommentIn(serializers.Serializer[Any]):
    """One comment."""

    id = serializers.UUIDField(help_text="made by the client; a repeat is harmless")
    seq = serializers.IntegerField(help_text="the image's number in the project")
    text = serializers.CharField(max_length=comments.MAX_TEXT)


class CommentsRequest(serializers.Serializer[Any]):
    """Comments to be stored."""

    comments = CommentIn(many=True)
    user = serializers.IntegerField(
        required=False, help_text="who wrote them; 409 if somebody else is signed in"
    )


class CommentResult(serializers.Serializer[Any]):
    """What became of one comment."""

    id = serializers.CharField(allow_null=True)
    ok = serializers.BooleanField()
    state = serializers.ChoiceField(required=False, choices=["accepted", "duplicate"])
    code = serializers.CharField(required=False)
    error = serializers.CharField(required=False)


class CommentsTaken(serializers.Serializer[Any]):
    """What became of the comments."""

    ok = serializers.BooleanField()
    results = CommentResult(many=True)


class CommentOut(serializers.Serializer[Any]):
    """A stored comment."""

    id = serializers.UUIDField()
    seq = serializers.IntegerField()
    text = serializers.CharField()
    by = serializers.CharField()
    mine = serializers.BooleanField()
    created = serializers.DateTimeField()


class CommentList(serializers.Serializer[Any]):
    """The comments on an image."""

    ok = serializers.BooleanField()
    comments = CommentOut(many=True)


class CommentsView(APIView):
    """Read and write comments on images."""

    right = Right.LABEL

    @extend_schema(
        operation_id="comments_list",
        summary="My comments on an image",
        parameters=[
            OpenApiParameter("seq", int, required=True),
            OpenApiParameter("everybody", bool, description="to reviewers: those of all people"),
        ],
        responses=CommentList,
    )
    def get(self, request: Request, pid: str) -> Response:
        """Return the comments on one image, oldest first."""
        found = access(cast("User", request.user), pid, Right.LABEL)
        seq = request.query_params.get("seq", "")
        if not seq.isdecimal() or len(seq) > 10 or int(seq) > MAX_SMALL:
            raise wrong("seq", "must be a number")
        everybody = request.query_params.get("everybody", "") in {"1", "true"}
        return Response({"ok": True, "comments": comments_on(found, int(seq), everybody=everybody)})

    @extend_schema(
        operation_id="comments_add",
        summary="Write comments",
        request=CommentsRequest,
        responses=CommentsTaken,
    )
    def post(self, request: Request, pid: str) -> Response:
        """Store the comments, each with its own result; safe to repeat."""
        found = access(cast("User", request.user), pid, Right.LABEL)
        body = Body(request.data)
        results = comments.add_comments(
            access=found,
            comments=body.items("comments", needed=True),
            as_user=body.optional("user"),
        )
        return Response({"ok": True, "results": results})


urlpatterns: list[URLPattern] = [
    path("projects/<str:pid>/comments/", CommentsView.as_view(), name="api_comments"),
]
