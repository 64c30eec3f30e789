"""The forecast pages: error curves, costs, certified size, confidence, history, classes."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
