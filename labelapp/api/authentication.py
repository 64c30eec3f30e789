"""Programs sign in with an access token in the header: `Authorization: Bearer mcal_...`."""

from __future__ import annotations

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from labelapp.models import AccessToken, User
from labelapp.services import tokens


class TokenAuthentication(BaseAuthentication):
    """Only the API reads the header: pages know sessions alone. Raises BadTokenError (401)."""

    def authenticate(self, request: Request) -> tuple[User, AccessToken] | None:
        """Return the person and the token; None where the request carries no token."""
        kind, _, text = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        user = tokens.person_of(text.strip())
        return user, user.by_token


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the header in the schema."""

    target_class = TokenAuthentication
    name = "access token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        """Return OpenAPI's words for it."""
        return {"type": "http", "scheme": "bearer", "description": "made at /me/tokens/"}
