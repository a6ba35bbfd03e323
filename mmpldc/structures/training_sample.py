"""A data sample that a data loader can pin."""

from mmdet.structures import DetDataSample


class TrainingSample(DetDataSample):
    """mmdet's ``DetDataSample`` whose ground truth PyTorch's ``pin_memory`` reaches."""

    def pin_memory(self) -> 'TrainingSample':
        """Page-lock labels and masks, in place, so that nobody waits for their copy to a device."""
        instances = self.gt_instances
        for name, value in list(instances.items()):
            if hasattr(value, 'pin_memory'):  # mmdet's boxes have none, and no loss reads them
                instances[name] = value.pin_memory()
        return self
