"""Migrations, checks, settings."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.core.management import call_command


@pytest.mark.django_db
def test_no_migration_is_missing(capsys):
    call_command("makemigrations", "--check", "--dry-run", "labelapp")


def test_the_system_checks_are_silent():
    call_command("check", fail_level="WARNING")


def test_the_policy_allows_nothing_inline():
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    assert "'unsafe-inline'" not in str(policy)
    assert "'unsafe-eval'" not in str(policy)


def test_requests_are_not_wrapped_in_a_transaction():
    assert settings.DATABASES["default"].get("ATOMIC_REQUESTS", False) is False
