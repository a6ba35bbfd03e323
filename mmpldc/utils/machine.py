"""Describe the machine and the software versions of a measurement."""

import platform
from pathlib import Path

import mmcv
import mmdet
import torch

CPU_INFO = Path('/proc/cpuinfo')
BFLOAT16_FLAGS = {'avx512_bf16', 'amx_bf16', 'bf16'}  # of x86, x86 and ARM


def machine(device: torch.device) -> dict[str, str | int]:
    """Describe the device, the threads of a process and the software versions.

    Args:
        device: device that computes.

    Returns:
        ``device``, ``threads``, ``python``, ``torch``, ``mmcv`` and ``mmdet``.
    """
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else _processor()
    return dict(
        device=name,
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=torch.__version__,
        mmcv=mmcv.__version__,
        mmdet=mmdet.__version__,
    )


def device_bytes() -> int | None:
    """Memory of this machine's first GPU in bytes; None without one."""
    if not torch.cuda.is_available():
        return None
    return torch.cuda.get_device_properties(0).total_memory


def cpu_has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16 itself; False where the system does not say."""
    if not CPU_INFO.exists():
        return False
    return not BFLOAT16_FLAGS.isdisjoint(CPU_INFO.read_text().split())


def _processor() -> str:
    for line in CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else ():
        if line.startswith('model name'):
            return line.split(':', 1)[1].strip()
    return platform.machine()
