"""Steering a run: each action says what it costs before it is taken."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
