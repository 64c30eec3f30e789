"""Pace, cost and quality of each person, by day."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
