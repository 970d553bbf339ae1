"""The vendors' own SDKs stream from the replay server and say what our client says; where they do not, the reason.

They are no dependency: each test runs where its SDK is installed (`pip install --group oracles`). `pytest tests/oracles
-rP` prints the agreement table; `scripts/soak --captures` makes it over all shared captures.
"""

from __future__ import annotations

import pytest

from ..captured import own, sample, shared
from .agreement import compare
from .explained import ROWS, unexplained, vanished
from .sdks import SDKS
from .table import table

pytestmark = pytest.mark.filterwarnings("ignore")
SHARED_SAMPLE = 40


@pytest.mark.parametrize("sdk", SDKS)
def test_agreement(sdk: str) -> None:
    """For every finished stream an SDK gives our text, calls, finish word and tokens, or a row says why not."""
    reader = SDKS[sdk]
    pytest.importorskip(reader.module)
    with reader.opened() as ask:
        found = compare(ask, filter(reader.reads, own()))
        print(table(sdk, "own", found))
        more = compare(ask, sample([capture for capture in shared() if reader.reads(capture)], SHARED_SAMPLE))
        print(table(sdk, "shared", more))
    assert unexplained(sdk, found | more) == {}
    assert vanished(sdk, found, shared=False) == []


def test_rows_name_sdks() -> None:
    """Every row speaks of an SDK that is asked."""
    assert {row.sdk for row in ROWS} <= set(SDKS)
