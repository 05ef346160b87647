"""What several tests of faults use."""

from __future__ import annotations

import pytest
from programs import Programs


@pytest.fixture
def programs(tmp_path):
    made = Programs(tmp_path)
    yield made
    made.close()
