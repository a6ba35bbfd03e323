"""The tools around a refiner, run as a user does."""

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def config(load_config, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('refiner') / 'config.py'
    cfg = load_config()
    cfg.model.refiner.scorer.text_cache = str(path.parent / 'texts')
    cfg.dump(path)
    return path


def test_texts_are_embedded_ahead_of_time(config, run_tool):
    for _ in range(2):  # the second time from the cache
        output = run_tool('cache_text_embeddings.py', config, cwd=config.parent)
        assert 'ready for 8 classes: disc, gear' in output
    (file,) = (config.parent / 'texts').iterdir()
    assert file.suffix == '.pt'


def test_what_the_scorer_knows(config, run_tool):
    out = config.parent / 'scorer.json'
    output = run_tool('analysis/scorer_accuracy.py', config, '--out', out, cwd=config.parent)
    result = json.loads(out.read_text())
    objects = sum(map(sum, result['confusion']))
    assert objects > 0 and result['classes'][0] == 'disc'
    assert 'trefoil' in output and 'mean' in output
