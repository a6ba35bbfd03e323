"""One rank downloads, then the others read; an error ends all of them."""

import time

import pytest

from mmpldc.utils.rank_zero_first import load_first_on_one_rank

# ---------------------------------------------------------------- one process


@pytest.mark.parametrize('local_rank', [None, '0', '3'])
def test_one_process_loads_once(monkeypatch, local_rank):
    if local_rank is None:
        monkeypatch.delenv('LOCAL_RANK', raising=False)
    else:
        monkeypatch.setenv('LOCAL_RANK', local_rank)
    calls = []
    value = object()
    assert load_first_on_one_rank(lambda: calls.append(1) or value) is value
    assert calls == [1]


def test_errors_pass_through():
    class OwnError(Exception):
        pass

    def fail():
        raise OwnError('no such file')

    with pytest.raises(OwnError, match='no such file'):
        load_first_on_one_rank(fail)


def test_nothing_is_a_value():
    assert load_first_on_one_rank(lambda: None) is None


# ---------------------------------------------------------------- two processes


def test_rank_0_loads_before_rank_1_begins(run_on_ranks, tmp_path):
    cache = tmp_path / 'weights'

    def load_on(rank):
        def load():
            was_there = cache.exists()
            if not was_there:
                time.sleep(0.3)  # a download, during which another rank would start its own
                cache.write_text(f'by rank {rank}')
            return was_there, cache.read_text()

        return load_first_on_one_rank(load)

    assert run_on_ranks(load_on) == [(False, 'by rank 0'), (True, 'by rank 0')]


@pytest.mark.parametrize('failing', [0, 1])
def test_an_error_ends_both(run_on_ranks, failing):
    """The failing rank raises its own error, the other one tells whose it was."""

    def load_on(rank):
        def load():
            if rank == failing:
                raise FileNotFoundError('no weights here')
            return rank

        return load_first_on_one_rank(load)

    errors = run_on_ranks(load_on)
    assert type(errors[failing]) is FileNotFoundError
    assert type(errors[1 - failing]) is RuntimeError
    assert str(errors[1 - failing]) == f'rank {failing}: no weights here'


def test_the_other_rank_does_not_load_after_an_error(run_on_ranks, tmp_path):
    """It would download in vain what the first one could not."""

    def load_on(rank):
        def load():
            (tmp_path / f'rank_{rank}').touch()
            raise OSError('no network')

        return load_first_on_one_rank(load)

    assert [type(error) for error in run_on_ranks(load_on)] == [OSError, RuntimeError]
    assert [(tmp_path / f'rank_{rank}').exists() for rank in (0, 1)] == [True, False]


def test_first_rank_of_each_machine_loads_first(run_on_ranks, monkeypatch, tmp_path):
    """Two machines of one rank each have a cache each."""

    def load_on(rank):
        monkeypatch.setenv('LOCAL_RANK', '0')

        def load():
            (tmp_path / f'machine_{rank}').touch()
            deadline = time.monotonic() + 20
            while not (tmp_path / f'machine_{1 - rank}').exists():
                assert time.monotonic() < deadline, 'the other machine waits for this one'
                time.sleep(0.01)
            return rank

        return load_first_on_one_rank(load)

    assert run_on_ranks(load_on) == [0, 1]
