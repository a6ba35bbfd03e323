"""A real run that ends early, and is resumed."""

import pytest


@pytest.mark.slow
def test_a_run_ends_after_burn_in_and_stays_ended(load_config, run_tool, tmp_path):
    cfg = load_config(max_iters=8)
    cfg.train_cfg.val_interval = 1
    cfg.default_hooks.checkpoint.update(interval=2, save_best=None)
    cfg.default_hooks.early_stopping = dict(
        type='mmpldc.EarlyStoppingHook', patience=2, min_delta=1.0
    )
    cfg.dump(tmp_path / 'config.py')
    command = ('train.py', 'config.py', '--work-dir', 'work_dir', '--skip-data-check')
    # burn-in has two steps, the third step's AP is the best, and none is better by 1.0
    printed = run_tool(*command, cwd=tmp_path)
    assert 'Early stopping at iteration 5 of 8' in printed
    assert 'The last checkpoint is' in printed and 'To test it' in printed
    assert (tmp_path / 'work_dir/last_checkpoint').read_text().endswith('iter_5.pth')

    printed = run_tool(*command, '--resume', cwd=tmp_path)
    assert 'This run had ended at iteration 5' in printed and 'Iter(train)' not in printed
