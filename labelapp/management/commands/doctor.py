"""`manage.py doctor`: is everything well, and if not, what is it?"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from labelapp.management import doctor, doctor_data, doctor_weights
from labelapp.management.doctor import Check, Finding, Level, fail

_MACHINE: list[Check] = [doctor.python, doctor.packages, doctor.folder, doctor.database]
_DATA: list[Check] = [
    doctor_weights.weights,
    doctor.worker,
    doctor.jobs,
    doctor_data.counters,
    doctor_data.days,
    doctor_data.files,
]


class Command(BaseCommand):
    """Prints one line per finding; code 1 when something failed."""

    help = "Check this installation: OK, WARN and FAIL lines; changes nothing."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Name the options."""
        parser.add_argument("--quick", action="store_true", help="leave out torch and the files")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the checks."""
        checks = [*_MACHINE, *_DATA]
        if options["quick"]:
            checks.remove(doctor_data.files)
            checks.remove(doctor_weights.weights)
        else:
            checks.append(doctor.torch)
        worst = [self._run(check) for check in checks]
        if Level.FAIL in worst:
            self.stdout.write("Something is broken: see the FAIL lines.")
            sys.exit(1)

    def _run(self, check: Check) -> Level:
        worst = Level.OK
        for finding in _findings(check):
            self.stdout.write(f"{finding.level:<4}  {finding.text}")
            if finding.level != Level.OK and worst != Level.FAIL:
                worst = finding.level
        self.stdout.flush()
        return worst


def _findings(check: Check) -> list[Finding]:
    """Run one check; a database that fails under it is a finding, not a crash."""
    try:
        return list(check())
    except DatabaseError as error:
        return [fail(f"{check.__name__}: the database failed: {error}")]
