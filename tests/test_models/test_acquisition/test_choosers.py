"""From scores to images."""

import pytest
import torch

from mmpldc.models.acquisition import DiverseAmongBest, HighestFirst

SCORES = torch.tensor([0.1, 0.9, 0.8, 0.9, 0.5, 0.7])


def test_highest_first():
    shortlist = HighestFirst().shortlist(SCORES, 3)
    assert shortlist.tolist() == [1, 3, 2]  # the first of equals first
    assert shortlist[HighestFirst().choose(None, None, 3)].tolist() == [1, 3, 2]


def test_near_equal_images_are_not_chosen_twice():
    chooser = DiverseAmongBest(factor=2)
    shortlist = chooser.shortlist(SCORES, 2)
    assert shortlist.tolist() == [1, 3, 2, 5]
    directions = {1: [1.0, 0.0], 3: [9.0, 0.1], 2: [0.0, 1.0], 5: [1.0, 1.0]}
    features = torch.tensor([directions[place] for place in shortlist.tolist()])
    assert shortlist[chooser.choose(features, None, 2)].tolist() == [1, 2]
    # one like 1 and 3 is labelled already
    labelled = torch.tensor([[100.0, 0.0]])
    assert shortlist[chooser.choose(features, labelled, 2)].tolist() == [2, 5]


def test_the_whole_pool_may_be_compared():
    assert len(DiverseAmongBest(factor=None).shortlist(SCORES, 1)) == 6
    assert len(DiverseAmongBest(factor=1).shortlist(SCORES, 2)) == 2
    assert len(DiverseAmongBest().shortlist(SCORES, 5)) == 6  # there are no more
    with pytest.raises(ValueError, match='factor must be at least 1'):
        DiverseAmongBest(factor=0.5)
    with pytest.raises(ValueError, match='compares features'):
        DiverseAmongBest().choose(None, None, 1)
