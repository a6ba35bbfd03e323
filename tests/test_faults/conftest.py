"""Data of every kind of fault."""

import pytest
from faulty_data import FaultyData


@pytest.fixture(scope='session')
def data(tmp_path_factory) -> FaultyData:
    """Images and annotations of every kind, and two without a fault."""
    return FaultyData(tmp_path_factory.mktemp('faulty') / 'data')
