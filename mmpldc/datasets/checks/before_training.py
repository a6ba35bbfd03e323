"""The checks at the start of a run, on all ranks."""

import logging
import os
from dataclasses import replace
from itertools import chain

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_rank
from mmengine.logging import print_log

from .findings import Finding
from .run import check_run, refusal

DECODED_BEFORE_TRAINING = 16  # images of each set


def check_before_training(cfg: Config) -> None:
    """Check a config's data sets on one rank of each machine, before anything is built.

    Warnings are logged. Faults of the test set are warnings, too: training does not need it.

    Args:
        cfg: the run's.

    Raises:
        SystemExit: on every rank, with the same text, if there are errors.
    """
    findings: list[Finding] = []
    if int(os.environ.get('LOCAL_RANK', get_rank())) == 0:
        report = check_run(cfg, decode=DECODED_BEFORE_TRAINING)
        for note in report.notes:
            print_log(f'Data check: {note}', logger='current')
        tested = {data.ann_file for data, _ in report.sets if data.role == 'test'}
        findings = [
            replace(finding, level='warning') if finding.file in tested else finding
            for finding in report.findings
        ]
    findings = list(dict.fromkeys(chain.from_iterable(all_gather_object(findings))))
    errors = [finding for finding in findings if finding.level == 'error']
    for finding in findings:
        if finding.level == 'warning':
            print_log(f'Data check: {finding}', logger='current', level=logging.WARNING)
    if errors:
        raise SystemExit(refusal(errors))
