"""What tensor/cachegen makes of the cache of a small transformer: bytes, and what it costs the prediction of the next byte.

A causal transformer over bytes (rotary positions) is trained for a moment on the sources of Python's standard library with a fixed
seed. Then caches of held-out files are stored and loaded, and the next bytes predicted from them.

python benchmarks/cachegen.py --steps 300
"""

import argparse
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.codecs.tensor.cachegen import LEVELS, REFERENCES, Settings, compress, decompress

LAYERS, HEADS, SIZE = 4, 4, 32
WIDTH = HEADS * SIZE
CONTEXT, AHEAD = 450, 64  # bytes whose cache is stored, and bytes predicted from it
Pair = tuple[Tensor, Tensor]


def rotated(x: Tensor, first: int = 0, back: bool = False) -> Tensor:
    """Rotary positions from `first` on, or their inverse; of [..., tokens, size]."""
    angle = torch.arange(first, first + x.shape[-2])[:, None] * 10000 ** (-torch.arange(0, SIZE, 2) / SIZE)
    sine = -angle.sin() if back else angle.sin()
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * angle.cos() - b * sine, a * sine + b * angle.cos()), -1).flatten(-2)


class Block(nn.Module):
    """Attention and a two-layer network."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.second = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.enter, self.leave = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.wide = nn.Sequential(nn.Linear(WIDTH, 3 * WIDTH), nn.GELU(), nn.Linear(3 * WIDTH, WIDTH))

    def forward(self, x: Tensor, past: Pair | None) -> tuple[Tensor, Pair]:
        """[B, tokens, width] and keys (before rotation) and values of the past [B, heads, tokens, size]; gives those of all."""
        batch, tokens, _ = x.shape
        parts = self.enter(self.norm(x)).reshape(batch, tokens, 3, HEADS, SIZE).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        before = 0 if past is None else past[0].shape[2]
        if past is not None:
            key, value = torch.cat((past[0], key), 2), torch.cat((past[1], value), 2)
        mask = torch.ones(tokens, before + tokens, dtype=torch.bool).tril(before)
        found = F.scaled_dot_product_attention(rotated(query, before), rotated(key), value, attn_mask=mask)
        x = x + self.leave(found.transpose(1, 2).reshape(batch, tokens, WIDTH))
        return x + self.wide(self.second(x)), (key, value)


class Model(nn.Module):
    """Bytes to logits of the next byte."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.blocks = nn.Embedding(256, WIDTH), nn.ModuleList(Block() for _ in range(LAYERS))
        self.leave = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 256))

    def forward(self, tokens: Tensor, past: list[Pair] | None = None) -> tuple[Tensor, list[Pair]]:
        """[B, tokens] to [B, tokens, 256] and the cache."""
        x, kept = self.embed(tokens), []
        for number, block in enumerate(self.blocks):
            x, pair = block(x, past and past[number])
            kept.append(pair)
        return self.leave(x), kept


def texts() -> tuple[Tensor, Tensor]:
    """Bytes of the standard library's modules: most for training, every tenth held out."""
    paths = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    parts = [b"".join(p.read_bytes() for i, p in enumerate(paths) if (i % 10 == 0) is held) for held in (False, True)]
    return tuple(torch.from_numpy(np.frombuffer(part, np.uint8).astype(np.int64)) for part in parts)


def cut(text: Tensor, count: int, length: int, generator: torch.Generator) -> Tensor:
    """Random stretches [count, length]."""
    starts = torch.randint(0, len(text) - length, (count,), generator=generator)
    return torch.stack([text[start : start + length] for start in starts.tolist()])


def trained(text: Tensor, steps: int) -> Model:
    """A model after `steps` steps of 12 stretches of 192 bytes."""
    torch.manual_seed(0)
    generator, model = torch.Generator().manual_seed(0), Model()
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    began = time.perf_counter()
    for _ in range(steps):
        # Long stretches now and then, so that positions beyond 192 are not new.
        length = 192 if torch.rand((), generator=generator) < 0.8 else CONTEXT + AHEAD
        batch = cut(text, 2304 // length, length + 1, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(batch[:, :-1])[0]
        loss = F.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    print(
        f"trained {steps} steps in {time.perf_counter() - began:.0f} s, loss {loss.item():.3f} nats per byte",
        flush=True,
    )
    return model.eval()


def stacked(cache: list[Pair], example: int) -> Pair:
    """Keys and values of one example, [layers, tokens, heads, size]."""
    return tuple(torch.stack([pair[k][example].transpose(0, 1) for pair in cache]) for k in (0, 1))


Store = Callable[[Tensor, Tensor], tuple[int, Tensor, Tensor]]


def by_file(settings: Settings) -> Store:
    """Store as a .trip file; bytes of the whole file."""

    def store(keys: Tensor, values: Tensor) -> tuple[int, Tensor, Tensor]:
        data = compress(keys, values, settings)
        return len(data), *decompress(data)

    return store


def as_half(keys: Tensor, values: Tensor) -> tuple[int, Tensor, Tensor]:
    """Half precision."""
    return 4 * keys.numel(), keys.half().float(), values.half().float()


def scaled(levels: int) -> Store:
    """Integers of up to `levels` in magnitude, one half-precision scale for each layer and token; 8 bits, or 4 for 7 levels."""

    def one(x: Tensor) -> Tensor:
        scale = (x.abs().amax((2, 3), keepdim=True) / levels).half().float()
        return (x / scale).round().clamp(-levels, levels) * scale

    def store(keys: Tensor, values: Tensor) -> tuple[int, Tensor, Tensor]:
        size = keys.numel() if levels > 7 else keys.numel() // 2
        return 2 * (size + 2 * keys.shape[0] * keys.shape[1]), one(keys), one(values)

    return store


def after_rotation(inner: Store) -> Store:
    """Keys are rotated before they are stored, as many caches hold them."""

    def store(keys: Tensor, values: Tensor) -> tuple[int, Tensor, Tensor]:
        size, found, other = inner(rotated(keys.transpose(1, 2)).transpose(1, 2), values)
        return size, rotated(found.transpose(1, 2), back=True).transpose(1, 2), other

    return store


def measured(model: Model, batch: Tensor, cache: list[Pair], store: Store) -> tuple[float, float, float]:
    """Bytes of a cache on average, nats per byte of what follows, and divergence from the predictions of the untouched cache."""
    sizes, loss, divergence = [], 0.0, 0.0
    for example, row in enumerate(batch):
        size, keys, values = store(*stacked(cache, example))
        sizes.append(size)
        logits = []
        for pair in ((keys, values), stacked(cache, example)):
            past = [(k.transpose(0, 1)[None], v.transpose(0, 1)[None]) for k, v in zip(*pair, strict=True)]
            logits.append(model(row[None, CONTEXT:-1], past)[0][0].log_softmax(-1))
        loss += F.nll_loss(logits[0], row[CONTEXT + 1 :]).item() / len(batch)
        divergence += F.kl_div(logits[0], logits[1], log_target=True, reduction="batchmean").item() / len(batch)
    return float(np.mean(sizes)), loss, divergence


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--examples", type=int, default=24)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    training, held = texts()
    model = trained(training, arguments.steps)
    batch = cut(held, arguments.examples, CONTEXT + AHEAD + 1, torch.Generator().manual_seed(1))
    with torch.no_grad():
        cache = model(batch[:, :CONTEXT])[1]
        alone = F.cross_entropy(model(batch[:, CONTEXT:-1])[0].flatten(0, 1), batch[:, CONTEXT + 1 :].flatten())
        ways = {"fp16": as_half, "8 bits, scale per token": scaled(127), "4 bits, scale per token": scaled(7)}
        ways |= {f"level {level}": by_file(Settings(level)) for level in range(1, LEVELS + 1)}
        ways |= {f"level 3, {name}": by_file(Settings(3, name)) for name in REFERENCES}
        ways |= {f"level 3, {name}, rotated keys": after_rotation(by_file(Settings(3, name))) for name in REFERENCES}
        numbers = 2 * LAYERS * CONTEXT * WIDTH
        base = measured(model, batch, cache, lambda keys, values: (4 * numbers, keys, values))[1]
        print(f"{CONTEXT} bytes of context: {base:.4f} nats per byte; without their cache {alone.item():.4f}\n")
        print(
            "| cache | bytes | bits per number | of 8 bits | change of loss, nats | KL, nats |\n|---|--:|--:|--:|--:|--:|"
        )
        eight = measured(model, batch, cache, ways["8 bits, scale per token"])[0]
        for name, store in ways.items():
            size, loss, divergence = measured(model, batch, cache, store)
            cells = (
                f"{size:,.0f} | {8 * size / numbers:.2f} | {size / eight:.1%} | {loss - base:+.5f} | {divergence:.6f}"
            )
            print(f"| {name} | {cells} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
