# test_model.py - `chatmill scan` against a model of RULES.md sections 3 and 4, written separately.
# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from support import chatmill, proc

sys.path.insert(0, str(proc.REPO / "tests/model"))
import compare  # noqa: E402


def agree(tmp_path, seeds):
    """Random conversations × rules × lateness × recalls × second copies: the same events, ids and
    sequence."""
    events = 0
    for seed in seeds:
        folder = tmp_path / str(seed)
        folder.mkdir()
        difference, count = compare.compare(chatmill.binary(), seed, folder)
        assert not difference, f"seed {seed}: {difference}"
        events += count
    assert events > 20 * len(seeds)  # conversations in which nothing happens prove nothing
    print(f"{len(seeds)} conversations, {events} events: scan and the model agree")


def test_model(tmp_path):
    agree(tmp_path, range(1, 101))


@pytest.mark.long
def test_model_2000(tmp_path):
    agree(tmp_path, range(1001, 3001))
