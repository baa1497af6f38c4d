"""Training media: tar shards of pictures and sounds, read into memory once."""

import io
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image


def members(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file in the tar shards of a folder, shards in order; raises OSError when there are none."""
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise OSError(f"{folder} holds no tar shards")
    for shard in shards:
        with tarfile.open(shard) as tar:
            for member in tar:
                if member.isfile():
                    yield member.name, tar.extractfile(member).read()


def decoded(folder: Path) -> Iterator[np.ndarray]:
    """The pictures of a folder of tar shards one after the other, uint8 [H, W, 3]."""
    for _, content in members(folder):
        yield np.array(Image.open(io.BytesIO(content)).convert("RGB"))


def pictures(folder: Path, threads: int = 2) -> list[np.ndarray]:
    """All pictures of a folder of tar shards as uint8 [H, W, 3]."""

    def decode(item: tuple[str, bytes]) -> np.ndarray:
        return np.array(Image.open(io.BytesIO(item[1])).convert("RGB"))

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(decode, members(folder)))
