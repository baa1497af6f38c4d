"""The published systems of the NeRV family, each a short configuration of one decoder and one way to fit."""

from dataclasses import dataclass, replace
from typing import ClassVar

from .codec import NervCodec, NervConfig
from .nerv import System

INDEX = System("index", kernels=(3,), growth=0.5, decay=2.0, cells=8)
GRID = System("grid", block="factorised", condition="norm", kernels=(3,), growth=3.0, decay=2.0, cells=40, steep=True)


def boosted(system: System) -> System:
    """Boosting-NeRV (Zhang et al. 2024): sine as activation, stages conditioned by temporal-aware affine transforms."""
    return replace(system, activation="sin", condition="temporal")


@dataclass(frozen=True)
class BoostedConfig(NervConfig):
    """With the loss of the paper."""

    loss: str = "boosting"


class HnervCodec(NervCodec):
    """HNeRV (Chen et al. 2023): an embedding per frame, channels that shrink slowly."""

    id: ClassVar[str] = "video/hnerv"
    system: ClassVar[System] = System()


class NervIndexCodec(NervCodec):
    """NeRV (Chen et al. 2021), the variant that HNeRV's authors compare with: frames follow from their number."""

    id: ClassVar[str] = "video/nerv"
    system: ClassVar[System] = INDEX


class ENervCodec(NervCodec):
    """E-NeRV (Li et al. 2022): positions and time in two branches, stages normalised and shifted by time."""

    id: ClassVar[str] = "video/e-nerv"
    system: ClassVar[System] = GRID


class NervPlusPlusCodec(NervCodec):
    """NERV++ (Ghorbel et al. 2024): NeRV with separable residual blocks and a bilinear path around each stage."""

    id: ClassVar[str] = "video/nerv-plus-plus"
    system: ClassVar[System] = replace(INDEX, hidden=2, block="separable", growth=1.0, activation="silu")


class BoostingNervCodec(NervCodec):
    """NeRV with the conditional decoder of Boosting-NeRV."""

    id: ClassVar[str] = "video/boosting-nerv"
    Config: ClassVar[type] = BoostedConfig
    system: ClassVar[System] = replace(boosted(INDEX), hidden=2, head=1)


class BoostingENervCodec(NervCodec):
    """E-NeRV with the conditional decoder of Boosting-NeRV."""

    id: ClassVar[str] = "video/boosting-e-nerv"
    Config: ClassVar[type] = BoostedConfig
    system: ClassVar[System] = boosted(GRID)


class BoostingHnervCodec(NervCodec):
    """HNeRV with the conditional decoder of Boosting-NeRV."""

    id: ClassVar[str] = "video/boosting-hnerv"
    Config: ClassVar[type] = BoostedConfig
    system: ClassVar[System] = boosted(System())
