# conftest.py - one real Kafka and one real PostgreSQL for all system tests, a pipeline for each.
# SPDX-License-Identifier: Apache-2.0
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from support import chatmill, proc  # noqa: E402
from support.kafka import Cluster  # noqa: E402
from support.postgres import Postgres  # noqa: E402

proc.exit_on_signals()


@pytest.fixture(scope="session")
def kafka():
    cluster = Cluster().start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def postgres_server():
    server = Postgres().start()
    yield server
    server.stop()


@pytest.fixture
def postgres(postgres_server):
    """The server with an empty database `chatmill`: one schema serves one pipeline."""
    postgres_server.sql("DROP DATABASE IF EXISTS chatmill WITH (FORCE)", dbname="postgres")
    postgres_server.sql("CREATE DATABASE chatmill", dbname="postgres")
    return postgres_server


@pytest.fixture
def processes():
    """Processes put in here are ended with the test."""
    started = []
    yield started
    for p in started:
        proc.end(p.p)


@pytest.fixture
def pipeline(tmp_path, kafka):
    """A pipeline without a database; topics exist."""
    return chatmill.Setup(tmp_path, kafka).apply()


@pytest.fixture
def pipeline_db(tmp_path, kafka, postgres):
    """A pipeline with a migrated database; topics exist."""
    setup = chatmill.Setup(tmp_path, kafka, postgres).apply()
    chatmill.run("db", "migrate", "-c", setup.file, check=0)
    return setup
