"""ASGI: HTTP by Django, WebSockets by Channels. Importing this never imports torch."""

from __future__ import annotations

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
http = get_asgi_application()

from labelapp.api.lane import FastLane  # noqa: E402 - needs Django set up
from labelapp.live.origin import SameOriginValidator  # noqa: E402
from labelapp.live.routing import websocket_urlpatterns  # noqa: E402
from labelapp.live.watch import lifespan  # noqa: E402
from labelapp.sqlite_pool.base import keep_connections  # noqa: E402
from labelapp.web.body_limit import BodyLimit  # noqa: E402

keep_connections(8)

application = ProtocolTypeRouter(
    {
        "http": FastLane(BodyLimit(http)),
        "lifespan": lifespan,
        "websocket": SameOriginValidator(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
