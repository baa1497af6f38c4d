"""Twenty thousand mutated files, checksums made right again: nothing but our errors, little memory, no hang."""

import random
import time
import tracemalloc
from pathlib import Path

import pytest
from bitstream_cases import EXAMPLES
from mutations import join, mutate_bytes, mutate_chunks, split

from triptych.bitstream import Limits, Reader, TripError, varint

FILES = 20_000
LIMITS = Limits(chunk=2048, header=256, metadata=256, units=40, streams=16, groups=16, pixels=1 << 20, tracks=4)


def seeds():
    """Whole files to start from."""
    accepted = sorted((Path(__file__).parent / "attacks" / "accepted").glob("*.trip"))
    return [make() for make in EXAMPLES.values()] + [path.read_bytes() for path in accepted]


def use(rng, data):
    """Read a file strictly and in one other way; returns whether the strict pass went through."""
    passed = False
    for way in ("strict", rng.choice(["salvage", "scan", "check", "trust", "seek"])):
        try:
            reader = Reader(data, LIMITS, salvage=way == "salvage")
            if way == "trust":
                for entry in reader.index(trust=True):
                    reader.read(entry)
            elif way == "seek":
                list(reader.seek(rng.randrange(len(reader.tracks)), rng.randrange(100), trust=rng.random() < 0.5)[1])
            elif way in ("scan", "check"):
                list(reader.scan(way == "check"))
            else:
                list(reader)
                passed |= way == "strict"
        except TripError:
            pass
    return passed


def test_mutated_files():
    rng, files = random.Random(20_261_121), seeds()
    assert all(join(data[:5], split(data)) == data for data in files)
    passed, deepest, slowest = 0, 0, 0.0
    try:
        for number in range(FILES):
            if number % 1000 == 0:
                tracemalloc.start()
            elif number % 1000 == 250:  # tracing costs most of the time
                tracemalloc.stop()
            data = (mutate_bytes if number % 4 == 0 else mutate_chunks)(rng, rng.choice(files))
            traced = tracemalloc.is_tracing()
            if traced:
                tracemalloc.reset_peak()
            before, clock = tracemalloc.get_traced_memory()[0], time.perf_counter()
            passed += use(rng, data)
            slowest = max(slowest, time.perf_counter() - clock)
            deepest = max(deepest, tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    assert deepest < LIMITS.memory() - (1 << 20)  # without the constant part
    assert slowest < 5.0
    assert FILES // 100 < passed < FILES // 2  # the mutations neither miss nor only hit the first checks


class Pipe:
    """A pipe without end behind `data`: it would deliver `extra` zero bytes more."""

    def __init__(self, data, extra):
        self._data, self._extra, self._at = data, extra, 0

    def read(self, count):
        if self._at < len(self._data):
            piece = self._data[self._at : self._at + count]
        else:
            piece = bytes(min(count, len(self._data) + self._extra - self._at))
        self._at += len(piece)
        return piece


@pytest.mark.parametrize("seed", range(12))
def test_random_limits_bound_the_memory(seed):
    rng = random.Random(seed)
    small = {"chunk": 1 << rng.randint(8, 22), "header": 1 << rng.randint(6, 12), "metadata": 1 << rng.randint(4, 16)}
    limits = Limits(**small, units=1 << rng.randint(0, 12), streams=1 << rng.randint(0, 8))
    head = join(b"\xd3TRP\x10", split(EXAMPLES["audio"]())[:1])
    unit = b"D" + varint.encode(rng.choice([limits.chunk, limits.chunk + 1])) + b"\0\x02\x01\x01"
    many = head + join(b"", [(b"D", b"\0\x02\x01\x01")] * 3000)
    words = join(b"", [(b"m", b"{" + b",".join(b'"%x":""' % n for n in range(limits.metadata // 10)) + b"}")])
    for data in (head + unit, many, head + words):
        for source in (data, Pipe(data, 1 << 23)):
            tracemalloc.start()
            try:
                with pytest.raises(TripError):
                    kept = [None]
                    for kept[0] in Reader(source, limits):
                        pass
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert peak < limits.memory()


def test_the_index_keeps_to_the_stated_memory():
    units = 4000
    _, header = split(EXAMPLES["audio"]())[0]
    data = join(b"\xd3TRP\x10", [(b"H", header.replace(varint.encode(48101), b"\0"))])  # total unknown
    data += join(b"", [(b"D", b"\0\x02\x01\x01")] * (units - 1) + [(b"D", b"\0\x03\x01\x01")])
    reader = Reader(data, Limits(units=units))
    tracemalloc.start()
    try:
        index = reader.index()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(index) == units and peak < 128 * units


@pytest.mark.parametrize("piped", [False, True])
def test_whole_units_keep_to_the_stated_memory(piped):
    _, header = split(EXAMPLES["audio"]())[0]
    limits = Limits(chunk=1 << 22, header=256, metadata=16, units=8, streams=8, groups=8, tracks=1)
    data = join(b"\xd3TRP\x10", [(b"H", header.replace(varint.encode(48101), b"\0"))])
    body = bytes(limits.chunk - 4)
    data += join(b"", [(b"D", b"\0\x02\x01\x01" + body)] * 2 + [(b"D", b"\0\x03\x01\x01" + body)])
    source = Pipe(data, 0) if piped else data
    tracemalloc.start()
    try:
        sizes = [len(item.streams[0]) for item in Reader(source, limits)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sizes == [len(body)] * 3 and peak < 4 * limits.chunk < limits.memory()
