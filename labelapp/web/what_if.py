"""What if: sliders that the planner answers from the stored curves."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
