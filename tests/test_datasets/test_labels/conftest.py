"""A small data set that tests of labels spoil."""

import pytest
from label_world import World


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)
