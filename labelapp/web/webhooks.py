"""Where a project's events are sent, and how that went."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
