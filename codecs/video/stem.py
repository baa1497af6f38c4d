"""video/stem: frames coded as pictures of image/patch, their latents predicted from those of the two frames before."""

from typing import ClassVar

from ..image.patch import PatchCodec
from .stem_net import StemConfig, StemNet


class StemCodec(PatchCodec):
    id: ClassVar[str] = "video/stem"
    kind: ClassVar[str] = "video"
    profile: ClassVar[int] = 1
    Config: ClassVar[type] = StemConfig
    Net: ClassVar[type] = StemNet
