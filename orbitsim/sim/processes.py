"""SimPy processes: a server that serves its queue, and the agenda of contacts and tasks.

Events at the same time are handled in the order of their creation (SimPy's rule), so a run is a function of its input.
A link that opens is used after the controller has looked at the window: waiting for it ends by a condition, which SimPy
schedules behind what the agenda has at that moment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable
from typing import Any

import simpy

from orbitsim.sim.jobs import MiniBatch, Part, Step
from orbitsim.sim.places import Server
from orbitsim.sim.recorder import Recorder

Advance = Callable[[MiniBatch, float], Server | None]
Rebook = Callable[[MiniBatch, float], None]
Load = Callable[[Step], float]
Process = Generator[simpy.Event, Any, None]

_NEVER = math.inf
_QUEUE, _CODEC, _PROPAGATION, _WAIT = Part.QUEUE, Part.CODEC, Part.PROPAGATION, Part.CONTACT_WAIT
_COMPUTE, _ISL, _DOWNLINK = Part.COMPUTE, Part.ISL, Part.DOWNLINK


def serve(
    env: simpy.Environment,
    server: Server,
    recorder: Recorder,
    advance: Advance,
    rebook: Rebook,
    load: Load,
    *,
    held: bool,
) -> Process:
    """Serve a server's queue for ever.

    Parameters
    ----------
    env : simpy.Environment
        Clock and event queue.
    server : Server
        The server.
    recorder : Recorder
        Takes every passage.
    advance : callable
        Moves a mini-batch to its next step; returns that step's server, or None when there is none.
    rebook : callable
        Chooses another way for a mini-batch that would miss its contact.
    load : callable
        Time to load the weights that a step needs on its node; asked for steps with weights only. [s]
    held : bool
        Keep the server during propagation too (nothing overlaps at all).
    """
    queue = server.queue
    timeout = env.timeout
    record = recorder.passage

    def arrive(event: Any) -> None:
        server.n_travelling -= 1
        batch = event.value
        now = env.now
        following = advance(batch, now)
        if following is not None:
            batch.arrived_s = now
            following.put(batch)

    while True:
        while not queue:
            server.idle = env.event()
            yield server.idle
        batch = queue.popleft()
        step = batch.steps[batch.position]
        if step.has_outages and env.now < step.opens_s(env.now) < batch.deadline_s:
            # Nothing has begun before the link opens: until then the mini-batch may get another plan or another way.
            queue.appendleft(batch)
            server.taken_back = env.event()
            yield timeout(step.opens_s(env.now) - env.now) | server.taken_back
            server.taken_back = None
            continue
        server.serving = batch
        while True:
            step = batch.steps[batch.position]
            part = step.part
            parts = batch.parts
            if step.weights is not None:
                loading = load(step)
                if loading > 0.0:
                    batch.started = True
                    yield timeout(loading)
            start = env.now
            curve = step.curve
            if curve is None:
                draws = step.draws
                duration = step.seconds if draws is None else draws.draw(batch.task.index, batch.index)
                batch.started = True
            else:
                sizes = step.sizes
                n_bytes = step.n_bytes if sizes is None else sizes.bytes_of(batch.task.index, batch.index)
                finish = curve.finish_at(start, n_bytes)
                if (finish > batch.deadline_s or finish == _NEVER) and batch.booking is not None and step.gated:
                    rebook(batch, start)
                    break
                if step.begins:
                    batch.started = True
                duration = finish - start
                if duration == _NEVER:
                    # The link never opens again: the mini-batch and what waits behind it stay where they are.
                    yield env.event()
            yield timeout(duration)
            end = start + duration
            # Bookkeeping: the time since arrival goes to the queue, to the service, and to waiting for a contact.
            if curve is None:
                parts[_QUEUE] += start - batch.arrived_s
                parts[_COMPUTE] += duration - step.codec_s
                parts[_CODEC] += step.codec_s
                busy = duration
                if draws is not None:
                    draws.done()
            else:
                task = batch.task
                if part is _ISL:
                    task.isl_bytes += n_bytes
                else:
                    task.downlink_bytes += n_bytes
                closed = curve.closed_seconds_between(start, end) if step.has_outages else 0.0
                if step.gated:
                    waited = curve.closed_seconds_between(batch.arrived_s, start) if start > batch.arrived_s else 0.0
                    parts[_WAIT] += waited + closed
                    parts[_QUEUE] += start - batch.arrived_s - waited
                else:
                    parts[_QUEUE] += start - batch.arrived_s + closed
                busy = duration - closed
                parts[part] += busy
                server.n_bytes += n_bytes
                if sizes is not None:
                    step.drawn_bytes += n_bytes
            server.busy_s += busy
            server.n_served += 1
            step.count += 1
            record(
                batch.task.index,
                batch.index,
                server.index,
                part,
                min(step.opens_s(start), end) if step.has_outages else start,
                end,
            )
            if step.delay_at is not None:
                delay = step.delay_at(end)
                if delay > 0.0:
                    parts[_PROPAGATION] += delay
                    if not held:
                        server.n_travelling += 1
                        timeout(delay, batch).callbacks.append(arrive)
                        break
                    yield timeout(delay)
                    end = env.now
            following = advance(batch, end)
            if following is None:
                break
            batch.arrived_s = end
            if following is not server:
                following.put(batch)
                break
        server.serving = None


def keep_agenda(env: simpy.Environment, agenda: Iterable[tuple[float, Callable[[float], None]]]) -> Process:
    """Do what is due at each time of an agenda, in its order: contacts close and open, and the sensor starts tasks."""
    for t_s, react in agenda:
        while env.now < t_s:  # a second time where the sum of the clock and the wait was rounded down
            yield env.timeout(t_s - env.now)
        react(env.now)
