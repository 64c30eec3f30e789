"""What runs, what waits, and on which workers."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
