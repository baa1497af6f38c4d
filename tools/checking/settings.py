"""Settings under which a file must decode to the same symbols: each changes floats, or how they are computed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ...codecs.base import Codec
from ...codecs.video.plan import threads

NOISE = 1e-3
# What layers consist of: the functions whose results may differ between machines, and get noise.
LAYERS = {
    "conv1d",
    "conv2d",
    "linear",
    "matmul",
    "__matmul__",
    "__rmatmul__",
    "einsum",
    "layer_norm",
    "gelu",
    "silu",
    "tanh",
    "asinh",
    "exp",
    "interpolate",
    "embedding",
    "irfft",
    "ifft",
}


class UnsupportedError(Exception):
    """A codec cannot be decoded under a setting; the message says why."""


@dataclass(frozen=True)
class Setting:
    """A way of decoding.

    Attributes:
        name: shown.
        apply: makes the context in which a codec decodes; raises UnsupportedError.
        environment: variables of the process, where the setting needs one of its own.
        optional: an error of the arithmetic means that the codec does not support the setting.
    """

    name: str
    apply: Callable[[Codec], AbstractContextManager[object]] = lambda codec: nullcontext()
    environment: Mapping[str, str] = field(default_factory=dict)
    optional: bool = False


class Noise(TorchFunctionMode):
    """Adds normal noise of standard deviation `NOISE` to the results of all layers, the same at every run."""

    def __init__(self) -> None:
        super().__init__()
        self.generators: dict[torch.device, torch.Generator] = {}

    def __torch_function__(
        self, function: Callable, types: object, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> object:
        """Call the function; disturb what a layer gives."""
        result = function(*args, **(kwargs or {}))
        if function.__name__ not in LAYERS or not isinstance(result, torch.Tensor) or not result.is_floating_point():
            return result
        generator = self.generators.setdefault(result.device, torch.Generator(result.device).manual_seed(0))
        noise = torch.empty_like(result).normal_(generator=generator)
        return result + NOISE * noise


@contextmanager
def without_onednn(codec: Codec) -> Iterator[None]:
    """Compute without oneDNN."""
    before = torch.backends.mkldnn.enabled
    torch.backends.mkldnn.enabled = False
    try:
        yield
    finally:
        torch.backends.mkldnn.enabled = before


@contextmanager
def channels_last(codec: Codec) -> Iterator[None]:
    """Hold the layers of the codec with channels last."""
    if not any(parameter.ndim == 4 for parameter in codec.parameters()):
        raise UnsupportedError("it has no layers whose memory could be ordered so")
    codec.to(memory_format=torch.channels_last)
    try:
        yield
    finally:
        codec.to(memory_format=torch.contiguous_format)


@contextmanager
def cuda(codec: Codec) -> Iterator[None]:
    """Move the codec to the first CUDA device."""
    if not torch.cuda.is_available():
        raise UnsupportedError("no CUDA device is here")
    if next(codec.parameters(), None) is None:
        raise UnsupportedError("it decodes on the processor")
    codec.to("cuda")
    try:
        yield
    finally:
        codec.to("cpu")


def _instructions(name: str, onednn: str, aten: str, openblas: str) -> Setting:
    """Libraries of a new process held to a set of instructions; they ignore names that they do not know."""
    environment = {"ONEDNN_MAX_CPU_ISA": onednn, "ATEN_CPU_CAPABILITY": aten, "OPENBLAS_CORETYPE": openblas}
    return Setting(name, environment=environment | {"OMP_NUM_THREADS": "1"})


HERE = (
    Setting("as it is"),
    Setting("1 thread", lambda codec: threads(1)),
    Setting("2 threads", lambda codec: threads(2)),
    Setting("oneDNN off", without_onednn),
    Setting("channels last in memory", channels_last, optional=True),
    Setting(f"noise of {NOISE:g} after every layer", lambda codec: Noise()),
    Setting("bfloat16 layers", lambda codec: torch.autocast("cpu", torch.bfloat16), optional=True),
    Setting("CUDA", cuda, optional=True),
)
ELSEWHERE = (
    _instructions("new process, SSE4.1 at most", "SSE41", "default", "Nehalem"),
    _instructions("new process, AVX2 at most", "AVX2", "avx2", "Haswell"),
    Setting("new process"),
)
