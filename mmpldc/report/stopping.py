"""Where early stopping ended a run, or would have ended it."""

from collections.abc import Mapping

from mmpldc.engine.hooks import EarlyStoppingHook

from .contents import Mark
from .run_folder import Run

PATIENCE = 3  # validations, for runs without early stopping


def early_stop(run: Run, number: int, values: Mapping[int, float], unit: str) -> Mark | None:
    """Mark the iteration with the settings of the run, or else with a patience of 3 validations.

    Args:
        run: whose validations they are.
        number: of the run in the report.
        values: of its teacher by iteration, in ascending order, in percent.
        unit: their name.

    Returns:
        None if no validation counts, or the patience lasts to the end.
    """
    own = (run.cfg.get('default_hooks') or {}).get('early_stopping')
    settings = dict(own or dict(patience=PATIENCE, min_delta=0.001))
    settings.pop('type', None)
    burn_in_iters = run.phases.burn_in_iters if run.phases is not None else 0
    hook = EarlyStoppingHook(**settings)
    shares = {step: value / 100 for step, value in values.items()}
    step = hook.replay(shares, burn_in_iters=burn_in_iters)
    if step is None or step >= run.max_iters:
        return None
    if own and step == max(values):
        text = f'Early stopping ended {run.name} at iteration {step:,} of {run.max_iters:,}.'
        return Mark(step, number, text)
    before = max(value for at, value in values.items() if at <= step)
    text = (
        f'Early stopping after {settings["patience"]} validations without a better one would have '
        f'ended {run.name} at iteration {step:,}, with {unit} {before:.1f} at best instead of '
        f'{max(values.values()):.1f}.'
    )
    return Mark(step, number, text)
