"""The function and the config that ``fullrank new NAME`` writes: small, slow enough to see, and replaced soon."""

from fullrank.config.compose import Outline, compose

FUNCTION = "period"

_CODE = '''\
"""Period of a pendulum that swings wide: an example, to be replaced by your own function.

A function for fullrank has named parameters and returns a number, an array, or a tuple or mapping of these. What it
returns follows from its arguments alone.
"""

from math import pi, radians, sin, sqrt

GRAVITY = 9.80665  # m/s²


def period(amplitude: float, length: float, *, steps: int = 100_000) -> float:
    """Return the period in s, by following a quarter of a swing in small steps of time (velocity Verlet).

    Args:
        amplitude: the largest angle, in degrees, more than 0 and less than 180.
        length: of the pendulum, in m.
        steps: into which the period of small swings is divided.
    """
    frequency_squared = GRAVITY / length
    step = 2 * pi / sqrt(frequency_squared) / steps
    angle, velocity, time = radians(amplitude), 0.0, 0.0
    acceleration = -frequency_squared * sin(angle)
    while angle > 0.0:
        last = angle
        angle += step * (velocity + 0.5 * step * acceleration)
        before, acceleration = acceleration, -frequency_squared * sin(angle)
        velocity += 0.5 * step * (before + acceleration)
        time += step
    return 4.0 * (time + step * angle / (last - angle))  # the crossing of 0, between two steps
'''


def code() -> str:
    """Return the text of the Python file."""
    return _CODE


def config(file: str, *, shown: str) -> str:
    """Return the text of the config for the function in ``file``, beside it; the user calls the config ``shown``."""
    outline = Outline(
        function=f"{file}:{FUNCTION}",
        title="Period of a pendulum",
        axes={
            "amplitude": {"start": 5.0, "stop": 175.0, "num": 69, "units": "degree"},
            "length": {"values": [0.5, 1.0, 2.0], "units": "m"},
        },
        constants={"steps": 100_000},
        head=(f"An example, to be replaced by your own study: fullrank run {shown}",),
        notes={
            "function": "path/to/file.py:function, relative to this file",
            "amplitude": "equally spaced, both ends included",
            "steps": "of a period",
        },
    )
    return f'{compose(outline)}\n[results.{FUNCTION}]\nunits = "s"\n'
