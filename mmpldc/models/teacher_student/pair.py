"""Two networks of one kind: how they share weights, are loaded, and which one predicts."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from mmdet.structures import SampleList
from mmdet.utils import ConfigType, OptConfigType, OptMultiConfig
from mmengine.logging import print_log
from mmengine.model import BaseModel
from torch import Tensor

from mmpldc.registry import MODELS
from mmpldc.utils.checkpoints import TEACHER

from .fitting_weights import drop_unfit, unfit_weights


class NetworkPair(BaseModel):
    """A student and a teacher of one architecture, the teacher without gradients.

    Args:
        network: config of both.
        semi_test_cfg: ``predict_on='teacher'`` or ``'student'``; None: the teacher.
        data_preprocessor, init_cfg: as in mmengine's ``BaseModel``.

    Attributes:
        teacher_is_set: bool buffer. False: the teacher mirrors the student. True: it has its own
            weights, averaged or loaded from a checkpoint, and must not be overwritten.
    """

    teacher_is_set: Tensor

    def __init__(
        self,
        *,
        network: ConfigType,
        semi_test_cfg: ConfigType | None,
        data_preprocessor: OptConfigType,
        init_cfg: OptMultiConfig,
    ) -> None:
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.student = MODELS.build(network)
        self.teacher = MODELS.build(network)
        self.teacher.eval().requires_grad_(False)
        self.semi_test_cfg = dict(predict_on='teacher') if semi_test_cfg is None else semi_test_cfg
        self.register_buffer('teacher_is_set', torch.tensor(False))

    # Weights

    def load_teacher(self, weights: dict[str, Tensor]) -> None:
        """Give the teacher its own weights, from a network of the same kind."""
        self.teacher.load_state_dict(weights)
        self.teacher_is_set.fill_(True)

    def share_frozen_parameters(self) -> None:
        """Store frozen parameters with equal values as one tensor for both networks."""
        for mine, theirs in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            # Host sync, once per run: a checkpoint may contain a teacher with another backbone.
            if not theirs.requires_grad and torch.equal(mine, theirs):
                mine.data = theirs.data

    def unshare_parameters(self) -> None:
        """Give the teacher separate tensors again; weights loaded next may differ."""
        for parameter in self.teacher.parameters():
            parameter.data = parameter.data.clone()

    def restore_statistics(self) -> None:
        """Replace the student's non-finite buffers by the teacher's.

        A step that is skipped has already updated the running statistics of batch norms.
        """
        for mine, theirs in zip(self.student.buffers(), self.teacher.buffers(), strict=True):
            # Host sync: after a skipped step only.
            if not mine.isfinite().all():
                mine.copy_(theirs)

    def paired_tensors(self) -> list[tuple[Tensor, Tensor]]:
        """Return (teacher, student) pairs of parameters and buffers, except shared tensors."""
        pairs = zip(
            chain(self.teacher.parameters(), self.teacher.buffers()),
            chain(self.student.parameters(), self.student.buffers()),
            strict=True,
        )
        return [(mine, theirs) for mine, theirs in pairs if mine.data_ptr() != theirs.data_ptr()]

    # Inference, on one of the two networks

    def train(self, mode: bool = True) -> 'NetworkPair':
        """Switch the student; the teacher stays in eval mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> SampleList:
        """Return samples with predictions of the network named by ``semi_test_cfg.predict_on``."""
        return self._tested_network(batch_inputs, batch_data_samples, mode='predict')

    def _forward(self, batch_inputs: Tensor, batch_data_samples: Any = None) -> Any:
        """Return raw outputs of the same network, mode 'tensor'."""
        return self._tested_network(batch_inputs, batch_data_samples, mode='tensor')

    def extract_feat(self, batch_inputs: Tensor) -> Sequence[Tensor]:
        """Return feature maps of the same network."""
        return self._tested_network.extract_feat(batch_inputs)

    @property
    def _tested_network(self) -> Any:
        return self.teacher if self.semi_test_cfg['predict_on'] == 'teacher' else self.student

    # Checkpoints

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        *args: Any,
    ) -> None:
        """Load a checkpoint of a pair, or of a plain network into both.

        The teacher counts as set only if all of its weights are in the checkpoint and fit. A plain
        checkpoint has no teacher; one with another number of classes or another backbone would
        leave the teacher partly random. In both cases the teacher mirrors the student instead.
        """
        key = prefix + 'teacher_is_set'
        parts = (prefix + 'student.', prefix + TEACHER)
        if not any(name.startswith(parts) for name in state_dict):
            for name in [name for name in state_dict if name.startswith(prefix)]:
                weight = state_dict.pop(name)
                state_dict.update({part + name.removeprefix(prefix): weight for part in parts})
            state_dict[key] = torch.tensor(False)
            drop_unfit(state_dict, self.student, parts)
        elif key not in state_dict:  # another framework's pair
            brings_teacher = any(name.startswith(prefix + TEACHER) for name in state_dict)
            state_dict[key] = torch.tensor(brings_teacher)
        if state_dict[key]:
            unfit = unfit_weights(state_dict, self.teacher, prefix + TEACHER)
            if unfit:
                print_log(
                    f"the checkpoint's teacher does not fit this model ({len(unfit)} weights, such "
                    f'as {unfit[0]}): the teacher starts as a copy of the student',
                    logger='current',
                )
                state_dict[key] = torch.tensor(False)
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, *args
        )
