"""Films in groups of frames, each with a network of its own: chains of groups that go on from each other, side by side.

NIRVANA (Maiya et al. 2023) fits a network for every few frames, starts it from the previous one and sends the difference.
Here a film is cut into groups; the first of a chain starts afresh, the others go on from the one before.
"""

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from ..base import Options, silent
from ..tape import Tape
from . import resume
from .fit import Before, Clock, Fit, Fitted, Recipe
from .layout import Parameters
from .plan import threads
from .scale import reduce

REPORT_EVERY = 0.25  # seconds
SAVE_EVERY = 20.0  # seconds between two states that are kept
CHAIN = 8  # groups of a chain: what must be read at most to decode any frame
PLAN = "plan"  # the name under which a track's parameters are kept
AGAIN = 0.5  # passes of a group that goes on from another, in parts of those of the first


@dataclass(frozen=True)
class Group:
    """Frames `first` to `end` - 1; `share`: of all the work; `number`: in the film."""

    number: int
    first: int
    end: int
    share: float

    @property
    def count(self) -> int:
        """Frames."""
        return self.end - self.first


@dataclass(frozen=True)
class Part:
    """A group's network, and that of the group before where it goes on from it."""

    group: Group
    fitted: Fitted
    before: Fitted | None


@dataclass(frozen=True)
class Job:
    """A chain of groups, to be fitted here or in another process.

    frames: uint8 [T, H, W, 3] of the chain alone, of a Tape a group is read at a time; total: frames of the film; the rest
    is as in `fit_film`.
    """

    chain: list[Group]
    frames: np.ndarray | Tape
    total: int
    parameters: Parameters
    recipe: Recipe
    size: Callable

    def of(self, group: Group) -> np.ndarray:
        """The frames of a group at the network's resolution."""
        first = self.chain[0].first
        return np.ascontiguousarray(reduce(self.frames[group.first - first : group.end - first], self.parameters.scale))


def chains(total: int, length: int) -> list[list[Group]]:
    """A film of `total` frames in groups of `length`, in chains."""
    bounds = [(first, min(first + length, total)) for first in range(0, total, length)]
    costs = [(end - first) * (1.0 if n % CHAIN == 0 else AGAIN) for n, (first, end) in enumerate(bounds)]
    groups = [Group(n, *bound, cost / sum(costs)) for n, (bound, cost) in enumerate(zip(bounds, costs, strict=True))]
    return [groups[n : n + CHAIN] for n in range(0, len(groups), CHAIN)]


class Control:
    """What the groups of a film share: progress, the wish to come to an end, and where states are kept."""

    def __init__(self, options: Options, threads: int, parameters: Parameters | None) -> None:
        self.progress, self.keep, self.threads, self.parameters = options.progress, options.keep, threads, parameters
        self.hurried = self.stopped = False
        self.lock, self.told, self.known = Lock(), time.monotonic(), {}

    def hurry(self, name: str = "", work: Fit | None = None) -> None:
        """Come to an end with what there is, after keeping the state of `work`; the second time at once."""
        if work is not None and work.done:
            self.save(name, resume.state(work))
        self.stopped, self.hurried = self.hurried, True
        if self.keep is not None:
            self.keep.interrupt()
        if not self.stopped:
            self.progress(self.done(), "interrupted: rounding what there is; again to stop at once")

    def done(self) -> float:
        """The fraction of the film's work that is done."""
        return min(1.0, sum(group.share * fraction for group, fraction, _, _ in self.known.values()))

    def save(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Keep tensors, and before them what `kept_parameters` gives."""
        if self.keep is None or self.hurried:
            return
        self.save_plan()
        self.keep.save(name, tensors)

    def save_plan(self) -> None:
        """Keep the parameters of the track, once."""
        with self.lock:
            if self.parameters is not None and self.keep is not None:
                self.keep.save(PLAN, {"bytes": torch.tensor(list(self.parameters.pack()), dtype=torch.uint8)})
                self.parameters = None

    def report(self, group: Group, fraction: float, error: float, bits: float) -> None:
        """Note how far a group is, and tell it now and then."""
        with self.lock:
            self.known[group.number] = group, min(fraction, 1.0), error, bits
            if time.monotonic() - self.told <= REPORT_EVERY and self.done() < 1:
                return
            self.told = time.monotonic()
            parts = list(self.known.values())
            mean = sum(g.count * e for g, _, e, _ in parts) / sum(g.count for g, _, _, _ in parts)
            size = sum(b for _, _, _, b in parts) / sum(g.share for g, _, _, _ in parts) / 8000
            self.progress(self.done(), f"{-10 * math.log10(max(mean, 1e-10)):.2f} dB, about {size:.0f} kB")


def kept_parameters(options: Options) -> bytes | None:
    """The parameters of a track whose fit was interrupted, if there is one."""
    found = None if options.keep is None else options.keep.load(PLAN)
    return None if found is None else found["bytes"].numpy().tobytes()


def fit_film(
    frames: np.ndarray | Tape, parameters: Parameters, recipe: Recipe, options: Options, length: int, size: Callable
) -> Iterator[Part]:
    """Fit networks to all groups of `length` frames (uint8 [T, H, W, 3]); gives them in order.

    recipe: for the whole film. An interrupt goes on to the end of the schedule, where weights are rounded, and hurries
    through it, with one pass over groups that had not begun; a second one stops. size: bytes that a network is coded
    with, given the one before.
    """
    planned, total = chains(len(frames), length), len(frames)
    jobs = [Job(part, frames[part[0].first : part[-1].end], total, parameters, recipe, size) for part in planned]
    if options.workers is not None and len(jobs) > 1:
        yield from _elsewhere(jobs, options)
        return
    control = Control(options, min(torch.get_num_threads(), len(jobs)), parameters)
    if control.threads == 1:
        for job in jobs:
            yield from _chain(job, control)
        return
    pool = ThreadPoolExecutor(control.threads)
    with threads(1):
        try:
            for future in [pool.submit(copy_context().run, lambda job=job: list(_chain(job, control))) for job in jobs]:
                yield from _taken(future, control)
        finally:
            control.hurried = control.stopped = True
            pool.shutdown(wait=True, cancel_futures=True)


def _elsewhere(jobs: list[Job], options: Options) -> Iterator[Part]:
    """`fit_film` by the workers of the options; an interrupt leaves what is kept, but no film."""
    count = min(options.workers.count, len(jobs))
    Control(options, count, jobs[0].parameters).save_plan()
    apart = replace(options, progress=silent, workers=None)
    done = 0.0
    for parts in options.workers(fit_chain, [(job, apart, count) for job in jobs]):
        done += sum(part.group.share for part in parts)
        options.progress(min(done, 1.0), f"{parts[-1].group.end} of {jobs[0].total} frames")
        yield from parts


def fit_chain(task: tuple[Job, Options, int]) -> list[Part]:
    """One job with one thread, among others of which so many are under way at a time."""
    job, options, count = task
    with threads(1):
        return list(_chain(job, Control(options, count, None)))


def _taken(future: "Future[list[Part]]", control: Control) -> list[Part]:
    """The result of a chain; interrupts meanwhile are passed on to all of them."""
    while True:
        try:
            return future.result()
        except KeyboardInterrupt:
            control.hurry()


def _chain(job: Job, control: Control) -> Iterator[Part]:
    """The groups of one chain, each going on from the one before."""
    before: Before | None = None
    for group in job.chain:
        try:
            small = job.of(group)
        except KeyboardInterrupt:
            control.hurry()
            small = job.of(group)
        own = _recipe(job.recipe, group, job.total, before is None, control)
        fitted = _group(small, job.parameters, own, group, before, control, job.size)
        yield Part(group, fitted, None if before is None else before.fitted)
        before = Before(small, fitted)


def _recipe(recipe: Recipe, group: Group, total: int, fresh: bool, control: Control) -> Recipe:
    """The part of a film's recipe that is for one group."""
    passes = recipe.steps / total * (1 if fresh else AGAIN)
    if control.hurried:
        return replace(recipe, steps=group.count, seconds=None)
    seconds = None if recipe.seconds is None else recipe.seconds * group.share * control.threads
    bits = None if recipe.bits is None else recipe.bits * group.count / total
    return replace(recipe, steps=max(1, round(passes * group.count)), seconds=seconds, bits=bits)


def _group(
    frames: np.ndarray,
    parameters: Parameters,
    recipe: Recipe,
    group: Group,
    before: Before | None,
    control: Control,
    size: Callable,
) -> Fitted:
    """One network, from a state that was kept where there is one."""
    keep, name = control.keep, f"{group.number:05d}"
    found = None if keep is None else keep.load(name)
    if found is not None and "finished" in found:
        return resume.unpack(found)
    known = None if before is None else before.fitted
    work = Fit(frames, parameters, recipe, partial(size, before=known), group.first, before)
    if found is not None:
        resume.restore(work, found)
    _run(work, Clock(recipe, work.fraction), group, control, name)
    fitted = work.result()
    control.save(name, resume.pack(fitted))
    return fitted


def _run(work: Fit, clock: Clock, group: Group, control: Control, name: str) -> None:
    """Fit to the end of the schedule."""
    saved, late = time.monotonic(), control.hurried
    fraction = clock.fraction(work.done) if work.done else 0.0
    while fraction < 1 and not (control.stopped and work.done):
        try:
            work.advance(fraction)
            fraction = clock.fraction(work.done)
            control.report(group, fraction, work.error, work.bits())
            if time.monotonic() - saved > SAVE_EVERY:
                control.save(name, resume.state(work))
                saved = time.monotonic()
        except KeyboardInterrupt:
            control.hurry(name, work)
        if control.hurried and not clock.hurried and not late:
            fraction = clock.hurry(fraction)
