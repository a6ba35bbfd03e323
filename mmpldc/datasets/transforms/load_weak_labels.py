"""Load the labels that an unlabelled image carries, with their scores."""

from typing import Any

import numpy as np

from mmpldc.registry import TRANSFORMS

from .load_annotations import LoadAnnotations


@TRANSFORMS.register_module()
class LoadWeakLabels(LoadAnnotations):
    """Load weak labels as :class:`LoadAnnotations` loads labels, and keep their scores with them.

    Transforms of the geometry move and drop boxes, masks and labels together, but know nothing of
    scores. So until :class:`PackTrainingInputs` a label is not its class but its place in
    ``weak_labels``, which has classes and scores.
    :class:`~mmpldc.datasets.SemiDataset` puts this transform into the pipeline.

    Args:
        max_instances: most labels of an image, the best by score.
    """

    def __init__(self, *, max_instances: int = 100) -> None:
        super().__init__(with_bbox=True, with_mask=True)
        self.most = max_instances

    def transform(self, results: dict) -> dict:
        """Load.

        Args:
            results: as for the parent, whose instances have ``score`` and perhaps ``mask_quality``.

        Returns:
            The same with boxes, labels and masks, and ``weak_labels``: ``labels (G,)`` int64,
            ``scores`` and ``mask_quality`` ``(G,)`` float32, the latter NaN where it is not known.

        Raises:
            InputFault: as the parent.
        """
        instances = results.get('instances', [])
        instances = sorted(instances, key=lambda one: -one['score'])[: self.most]
        results = super().transform(results | dict(instances=instances))
        labels = results['gt_bboxes_labels']
        results['weak_labels'] = dict(
            labels=labels.astype(np.int64),
            scores=_column(instances, 'score'),
            mask_quality=_column(instances, 'mask_quality'),
        )
        results['gt_bboxes_labels'] = np.arange(len(labels))
        return results


def _column(instances: list[dict], name: str) -> np.ndarray:
    values: list[Any] = [instance.get(name, np.nan) for instance in instances]
    return np.array(values, np.float32)
