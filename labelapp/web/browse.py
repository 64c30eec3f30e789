"""The browser of all images: filters, saved views, bulk actions."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
