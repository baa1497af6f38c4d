"""Codes by context in plain Python, written from section 9.6 of bitstream/FORMAT.md; no code of the package."""

import json
import math
import struct
import zlib
from decimal import Decimal, localcontext

from second_reader import need

FORMS = {"F16": "e", "F32": "f", "I8": "b", "U8": "B", "I16": "h", "I32": "i", "I64": "q"}


def nested(data):
    """The tensors of a safetensors file: shapes and flat lists by name."""
    size = int.from_bytes(data[:8], "little")
    found = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name != "__metadata__":
            start, end = (8 + size + at for at in entry["data_offsets"])
            count = (end - start) // struct.calcsize(FORMS[entry["dtype"]])
            values = list(struct.unpack(f"<{count}{FORMS[entry['dtype']]}", data[start:end]))
            found[name] = (entry["shape"], values)
    return found


def rows_of(tensor):
    """A tensor as lists along its last dimension."""
    shape, values = tensor
    return [values[at : at + shape[-1]] for at in range(0, len(values), shape[-1])]


class Net:
    """An integer network, see 10.9."""

    def __init__(self, found, name):
        self.found, self.name = found, name
        plan = json.loads(bytes(found[f"{name}.plan"][1]))
        self.layers, self.bound = plan["layers"], plan["bound"]

    def __call__(self, x):
        return self.run(self.layers, f"{self.name}.", x)

    def run(self, layers, prefix, x):
        for place, layer in enumerate(layers):
            x = self.one(layer, f"{prefix}{place}.", x)
        return x

    def one(self, layer, prefix, x):
        if layer["kind"] == "Residual":
            sums = [a + b for a, b in zip(x, self.run(layer["layers"], prefix, x), strict=True)]
        else:
            need(layer["kind"] == "Affine", "another kind of layer")
            weight, multiplier, bias = (self.found[prefix + key] for key in ("weight", "multiplier", "bias"))
            products = [sum(w * v for w, v in zip(row, x, strict=True)) for row in rows_of(weight)]
            parts = zip(products, multiplier[1], bias[1], strict=True)
            sums = [(total * m + b) >> layer["shift"] for total, m, b in parts]
        return [min(max(value, layer["low"]), layer["high"]) for value in sums]


def exponentials():
    """X of the text."""
    with localcontext() as context:
        context.prec = 50
        ratio = int((Decimal(-1) / 64).exp() * 2**64)
    y, found = 1 << 64, []
    for _ in range(1024):
        found.append(y >> 40)
        y = y * ratio >> 64
    return [*found, 0]


class Context:
    """All that 9.6 names, for the weights of a file."""

    def __init__(self, weights):
        found = nested(weights)
        self.exponent, self.pace = found["context.numbers"][1]
        self.books, self.size, self.dim = found["net.quantiser.codebooks"][0]
        need("net.quantiser.codebooks.scale" not in found, "small codebooks only")
        self.words = [
            [round(math.ldexp(v, self.exponent)) for v in row] for row in rows_of(found["net.quantiser.codebooks"])
        ]
        self.bias = found["context.bias"][1]
        self.sums, self.entries, self.mix = (Net(found, f"context.{name}") for name in ("sums", "entries", "mix"))
        self.vectors = [self.entries(word) for word in self.words]
        self.table = exponentials()

    def frequencies(self, book, x):
        v, logits = self.mix(x), []
        for s in range(book * self.size, (book + 1) * self.size):
            logits.append(sum(a * b for a, b in zip(v, self.vectors[s], strict=True)) + 64 * self.bias[s] >> 4)
        w = [self.table[min(max(logits) - value, 1024)] for value in logits]
        f = [1 + value * (2**24 - self.size) // sum(w) for value in w]
        f[w.index(max(w))] += 2**24 - sum(f)
        return f

    def codes(self, reader, used, aside):
        """Codes [book][channel][frame]; used and the planes of aside are [channel][frame]."""
        channels, frames = len(used), len(used[0])
        codes = [[[0] * frames for _ in range(channels)] for _ in range(self.books)]
        sums = [[[0] * self.dim for _ in range(frames)] for _ in range(channels)]
        for n in range(self.pace * frames + self.books):
            places = [
                (k, c, (n - k) // self.pace)
                for k in range(min(n + 1, self.books))
                for c in range(channels)
                if (n - k) % self.pace == 0 and (n - k) // self.pace < frames and used[c][(n - k) // self.pace] > k
            ]
            if places:
                tables = [self.frequencies(k, self.inputs(sums[c], aside, k, c, t)) for k, c, t in places]
                found = [reader.stack.take(table) for table in tables]
                packed = b"".join(code.to_bytes(4, "little") for code in found)
                reader.check = zlib.crc32(packed, reader.check)
                for (k, c, t), code in zip(places, found, strict=True):
                    codes[k][c][t] = code
                    word = self.words[k * self.size + code]
                    sums[c][t] = [a + b for a, b in zip(sums[c][t], word, strict=True)]
        return codes

    def inputs(self, sums, aside, k, c, t):
        x, last = [], len(sums) - 1
        for back in range(3):
            x += self.sums(sums[t - back] if t >= back else [0] * self.dim)
        for place in (max(t - 1, 0), t, min(t + 1, last)):
            x += [min(max(plane[c][place], -self.mix.bound), self.mix.bound) for plane in aside]
        return x + [64 * (k == book) for book in range(self.books)]


def stepped(reader, found, name, channels, frames):
    """Levels or spared codebooks by context, [channel][frame]."""
    sizes, firsts = found[f"{name}.sizes"][1], found[f"{name}.firsts"][1]
    steps, values = found[f"{name}.class_of_step"][1], found[f"{name}.class_of_value"][1]
    starts = [sum(sizes[:row]) for row in range(len(sizes))]
    known = [[] for _ in range(channels)]
    for t in range(frames):
        rows = []
        for v in known:
            step = v[-1] - v[-2] if t > 1 else 0
            rows.append(1 + steps[step + len(values) - 1] * (max(values) + 1) + values[v[-1]] if t else 0)
        found_steps = [0] * channels
        for c in sorted(range(channels), key=lambda c: rows[c]):
            row = rows[c]
            table = found[f"{name}.frequencies"][1][starts[row] : starts[row] + sizes[row]]
            place = reader.stack.take(table)
            need(place < len(table) - 1, "escapes are not needed here")
            found_steps[c] = firsts[row] + place
        reader.check = zlib.crc32(b"".join(s.to_bytes(4, "little", signed=True) for s in found_steps), reader.check)
        for c, step in enumerate(found_steps):
            known[c].append(step + (known[c][-1] if t else 0))
    return known
