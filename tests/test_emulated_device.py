"""The emulated device refuses and waits as an accelerator would, and computes as the CPU does."""

import pytest
import torch
from emulated_device import DEVICE, emulated_device
from torch import nn


@pytest.fixture
def emulation():
    with emulated_device() as emulation:
        yield emulation


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2)
    )


def test_computes_as_the_cpu_does(emulation):
    images = torch.randn(2, 3, 6, 6)
    expected, found = network(), network().to(DEVICE)
    expected(images).square().sum().backward()
    found(images.to(DEVICE)).square().sum().backward()
    for one, other in zip(found.parameters(), expected.parameters(), strict=True):
        assert one.device == one.grad.device == DEVICE
        torch.testing.assert_close(one.cpu(), other)
        torch.testing.assert_close(one.grad.cpu(), other.grad)
    for one, other in zip(found.buffers(), expected.buffers(), strict=True):
        torch.testing.assert_close(one.cpu(), other)


def test_shared_parameters_stay_shared(emulation):
    one, other = nn.Linear(2, 2), nn.Linear(2, 2)
    other.weight = one.weight
    nn.ModuleList([one, other]).to(DEVICE)
    assert other.weight is one.weight and one.weight.device == DEVICE


def test_values_can_be_set(emulation):
    layer = nn.Linear(2, 2).to(DEVICE)
    layer.weight.data = torch.full((2, 2), 3.0).to(DEVICE)
    layer.bias.data.fill_(1.0)
    assert layer(torch.ones(1, 2).to(DEVICE)).tolist() == [[7.0, 7.0]]


@pytest.mark.parametrize(
    'mix',
    [
        lambda ours, host: ours + host,
        lambda ours, host: host + ours,
        lambda ours, host: host.add_(ours[0]),
        lambda ours, host: torch.cat([ours, host]),
        lambda ours, host: torch.stack([ours[0], host[0]]),
        lambda ours, host: host[ours.long()],
        lambda ours, host: ours.index_put_((ours.long(),), host),
        lambda ours, host: torch.where(ours > 0, ours, host),
    ],
)
def test_tensors_of_two_devices_are_refused(emulation, mix):
    with pytest.raises(RuntimeError, match='on two devices, at'):
        mix(torch.ones(3).to(DEVICE), torch.ones(3))


@pytest.mark.parametrize(
    'fine',
    [
        lambda ours: ours + torch.tensor(2.0),
        lambda ours: torch.arange(3, device=ours.device) + ours,
        lambda ours: ours.new_zeros(3) + ours,
        lambda ours: ours.to('cpu') + torch.ones(3),
        lambda ours: torch.ones(3).copy_(ours),
    ],
)
def test_what_an_accelerator_takes(emulation, fine):
    assert fine(torch.ones(3).to(DEVICE)).shape == (3,)


@pytest.mark.parametrize(
    ('operation', 'waited_for'),
    [
        (lambda x: x.sum().item(), '_local_scalar_dense'),
        (lambda x: bool((x > 0).all()), '_local_scalar_dense'),
        (lambda x: x.tolist(), '_to_copy'),
        (lambda x: x.cpu(), '_to_copy'),
        (lambda x: torch.ones(3).copy_(x, non_blocking=True), 'copy_'),
        (lambda x: torch.ones(3).to(x.device), '_to_copy'),
        (lambda x: x[x > 0], 'index'),
        (lambda x: x[torch.tensor([0, 1])], 'index'),
        (lambda x: x.nonzero(), 'nonzero'),
        (lambda x: x.unique(), '_unique2'),
        (lambda x: torch.equal(x, x), 'equal'),
        (lambda x: x.repeat_interleave(x.long()), 'repeat_interleave'),
        (lambda x: x.repeat_interleave(x.long(), output_size=3), None),
        (lambda x: torch.ones(3).to(x.device, non_blocking=True), None),
        (lambda x: x[x.long()], None),
        (lambda x: x.half().float(), None),
        (lambda x: x.clone().copy_(x), None),
        (lambda x: torch.ones(3).nonzero(), None),
    ],
)
def test_what_is_waited_for(emulation, operation, waited_for):
    ours = torch.ones(3).to(DEVICE, non_blocking=True)
    assert not emulation.waits
    operation(ours)
    assert [wait.split(' at ')[0] for wait in emulation.waits] == [waited_for] * bool(waited_for)


def test_not_outside():
    with emulated_device():
        ours = torch.ones(3).to(DEVICE)
    with pytest.raises(RuntimeError, match='only within'):
        ours + 1
