"""Weights that others publish: fetched by CompressAI and transformers, found again by digest, saved as weights files.

    python -m triptych.tools.outside NAME --out FILE [--from FOLDER] [--quality 0..100]

writes a weights file, with which `encode --weights` and `decode --weights` need no network.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from logging import CRITICAL, getLogger
from pathlib import Path
from typing import Any

from torch import nn

from ..bitstream import Track
from ..bitstream.errors import WrongModel
from ..codecs.base import Codec
from ..codecs.image.compressai import from_compressai, package
from ..codecs.optional import optional
from ..codecs.registry import MSSSIM, codec_class, family_of
from . import console
from .errors import UsageError


@lru_cache(maxsize=8)
def load(name: str, level: int = 0) -> Codec:
    """A codec of another package with its published weights, from its cache or over the network.

    Args:
        name: compressai/<model> or hf/<owner>/<model>.
        level: of the weights where there are several; 0 takes those for quality 50.

    Raises:
        WrongModel: there are none, or they could not be fetched.
        MissingDependency: the package is not installed.
        UnknownCodec: no codec has this name.
    """
    if family_of(name).package == "compressai":
        return _compressai(name, level or codec_class(name).level(50.0))
    return from_source(name, name.removeprefix("hf/"))


def load_for(track: Track) -> Codec | None:
    """The codec that a track was probably made with; None where its weights are not published ones.

    The caller compares the digests. Raises WrongModel, MissingDependency like `load`.
    """
    if family_of(track.codec).package == "compressai":
        level = track.parameters[0] if track.parameters else 0
        return load(track.codec, level) if 1 <= level <= codec_class(track.codec).levels else None
    return load(track.codec)


def from_source(name: str, source: str) -> Codec:
    """The codec hf/<owner>/<model> from a folder that `save_pretrained` wrote, or from the hub by its id there.

    Raises WrongModel where nothing is there or it is another model, MissingDependency.
    """
    from ..codecs.audio.transformers import from_transformers
    from ..codecs.audio.transformers_nets import TOKENIZERS, model_class

    configs = optional("transformers.models.auto.configuration_auto", "transformers", name)

    def read(offline: bool) -> nn.Module:
        kind = configs.AutoConfig.from_pretrained(source, local_files_only=offline).model_type
        if kind not in TOKENIZERS:
            raise WrongModel(f"{source} is a model of type {kind}; hf/ codecs are {', '.join(TOKENIZERS)}")
        return model_class(kind, name).from_pretrained(source, local_files_only=offline, use_safetensors=True)

    def fetch() -> nn.Module:
        try:
            return read(offline=True)
        except OSError:  # not in the cache
            return read(offline=False)

    with _quiet(name):
        return _identified(from_transformers(_fetched(name, fetch), name))


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Without the notes of transformers and its hub, and without their progress bars where nobody watches."""
    logging = optional("transformers.utils.logging", "transformers", name)
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    loggers = [getLogger("huggingface_hub"), getLogger("transformers")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _compressai(name: str, level: int) -> Codec:
    """A model of CompressAI with the weights of a quality level."""
    from torch.hub import load_state_dict_from_url

    cls, metric = codec_class(name), "ms-ssim" if name.endswith(MSSSIM) else "mse"
    package(name)
    zoo = optional("compressai.zoo.image", "compressai", name)
    address = zoo.model_urls.get(cls.model, {}).get(metric, {}).get(level)
    if address is None:
        raise WrongModel(f"CompressAI publishes no weights of {name}; give a weights file with --weights")

    def fetch() -> dict[str, Any]:
        # Unlike the zoo's own function this unpickles nothing but tensors and compares the hash in the file's name.
        return load_state_dict_from_url(address, map_location="cpu", weights_only=True, check_hash=True)

    state = zoo.load_pretrained(_fetched(name, fetch))
    net = zoo.model_architectures[cls.model].from_state_dict(state)
    return _identified(from_compressai(net, metric == "ms-ssim", level))


def _fetched(name: str, fetch: Callable[[], Any]) -> Any:
    """What `fetch` gives; whatever goes wrong with disk or network becomes one sentence."""
    try:
        return fetch()
    except WrongModel:
        raise
    except Exception as error:  # the libraries below raise their own errors for what cannot be reached or read
        cause = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".:")
        raise WrongModel(
            f"the weights of {name} are neither in the cache of their package nor could they be fetched ({cause}); "
            "give a weights file with --weights"
        ) from error


def _identified(codec: Codec) -> Codec:
    from . import models

    models.identify(codec)
    return codec


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = console.Parser(prog="triptych.tools.outside", description="Write a weights file of a published codec.")
    parser.add_argument("name", metavar="NAME", help="compressai/<model> or hf/<owner>/<model>")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the weights file, .safetensors")
    parser.add_argument("--from", dest="source", metavar="FOLDER", help="hf/: what save_pretrained wrote, or a hub id")
    parser.add_argument("--quality", type=console.number(0, 100), default=50.0, help="compressai/: default: 50")
    arguments = parser.parse_args(argv)
    return console.guarded(lambda: _write(arguments))


def _write(arguments: argparse.Namespace) -> None:
    from . import models

    name = arguments.name
    family = family_of(name)
    if family is None or (arguments.source and family.package == "compressai"):
        raise UsageError(f"{name}: only hf/ codecs come from a folder, and only those of other packages are fetched")
    codec = (
        from_source(name, arguments.source)
        if arguments.source
        else load(name, codec_class(name).level(arguments.quality))
    )
    models.save(codec, arguments.out)
    print(f"{arguments.out}: {codec.id}, weights {codec.identity[:8].hex()}")


if __name__ == "__main__":
    sys.exit(main())
