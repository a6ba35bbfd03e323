"""Report the images that a run could not use."""

from weakref import finalize

from mmengine.dataset import BaseDataset
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from mmpldc.datasets.checks.findings import printable
from mmpldc.datasets.input_faults import faulty_images, guard_pipelines
from mmpldc.registry import HOOKS

NAMED = 20


@HOOKS.register_module()
class InputFaultHook(Hook):
    """Report at the end of a run how many images could not be used, and which.

    ``SemiDataset`` skips such images in training. Validation and testing skip none, because the
    scores would then be those of other images: the hook makes the error name the image.
    """

    def before_train(self, runner: Runner) -> None:
        """Make each rank of a failing run report its own faults."""
        dataset = runner.train_dataloader.dataset
        self._at_exit = finalize(runner, _report_own, dataset, runner.logger)

    def after_train(self, runner: Runner) -> None:
        """Report the faults of all ranks."""
        self._at_exit.detach()
        own = faulty_images(runner.train_dataloader.dataset)
        _report(sorted(set().union(*all_gather_object(own))), runner.logger)

    def before_val(self, runner: Runner) -> None:
        """Make an error name the image that cannot be used."""
        guard_pipelines(runner.val_dataloader.dataset, on_fault='raise')

    def before_test(self, runner: Runner) -> None:
        """Do the same as before validation."""
        guard_pipelines(runner.test_dataloader.dataset, on_fault='raise')


def _report_own(dataset: BaseDataset, logger: MMLogger) -> None:
    _report(faulty_images(dataset), logger)


def _report(names: list[str], logger: MMLogger) -> None:
    if not names:
        logger.info('Input faults: none')
        return
    lines = [f'Input faults: {len(names)} images could not be used', *names[:NAMED]]
    if len(names) > NAMED:
        lines.append(f'and {len(names) - NAMED} more')
    logger.error(printable('\n  '.join(lines)))
