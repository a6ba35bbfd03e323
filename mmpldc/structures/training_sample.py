"""Data sample that a data loader can pin."""

from mmdet.structures import DetDataSample


class TrainingSample(DetDataSample):
    """mmdet's ``DetDataSample`` with ground truth that PyTorch's ``pin_memory`` can pin."""

    def pin_memory(self) -> 'TrainingSample':
        """Page-lock labels and masks in place, so that their copy to a device is asynchronous."""
        instances = self.gt_instances
        for name, value in list(instances.items()):
            if hasattr(value, 'pin_memory'):  # mmdet's boxes lack it, and no loss reads them
                instances[name] = value.pin_memory()
        return self
