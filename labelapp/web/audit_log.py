"""Who did what, when: to read and to export."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
