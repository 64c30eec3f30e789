#!/usr/bin/env bash
# The services' tests once more on PostgreSQL. Missing: skipped loudly outside CI, a failure in CI.
set -euo pipefail
url=${MCAL_TEST_POSTGRES_URL:-postgres://postgres@127.0.0.1:5432/postgres}
if ! .venv/bin/python - "$url" <<'PY'
import sys, psycopg
try:
    psycopg.connect(sys.argv[1], connect_timeout=3).close()
except psycopg.OperationalError as error:
    print(f"PostgreSQL: {error}")
    sys.exit(1)
PY
then
  if [ -n "${CI:-}" ]; then
    echo "FAILED: no PostgreSQL at $url, and CI needs it."
    exit 1
  fi
  echo "######## SKIPPED: no PostgreSQL at $url (set MCAL_TEST_POSTGRES_URL). The second pass of"
  echo "######## the services' tests did not run."
  exit 0
fi
# Commits need not outlive a power cut here. Whole runs are made once per module, so a module stays
# with one process; what needs no database is left out by tests/app/conftest.py.
export PGOPTIONS="${PGOPTIONS:-} -c synchronous_commit=off"
MCAL_DATABASE_URL=$url .venv/bin/python -m pytest \
  tests/app/services tests/app/selectors tests/app/tasks \
  -n 2 --dist loadfile --no-loadscope-reorder -p tests.long_first -q
