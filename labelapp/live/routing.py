"""WebSocket addresses."""

from __future__ import annotations

from django.urls import URLPattern, path

from labelapp.live.consumers import DashboardConsumer

websocket_urlpatterns: list[URLPattern] = [
    path("ws/p/<str:pid>/", DashboardConsumer.as_asgi()),
]
