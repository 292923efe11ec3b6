"""How often a rank that computes looks whether others have asked it something: often if they ask often.

Pure arithmetic on moments that are passed in; the real run and the simulator use the same class.
"""

from collections import deque
from math import sqrt

LOOK_SECONDS = 1e-4
"""What a look in vain takes at least of a computation, whose data it pushes out of the caches: with half a megabyte of
them it is twice that (``make bench``, *Waiting*)."""
SHORTEST_SECONDS, LONGEST_SECONDS = 0.001, 0.2
"""Between two looks. With the longest one they take a thousandth of the rank's time, as a rule."""
_N_LAST = 16
"""Requests by which it is known how often they come."""
_N_LOOKS = 3
"""In vain, of which the quickest tells what looks take here: others may have been interrupted."""


class Looks:
    """When to look next.

    A look of c seconds every T seconds takes c / T of this rank, and of those who ask every g seconds T / (2 g), for
    they wait half of T in the mean. The sum is least for T = sqrt(2 g c): the law of J. W. Young, A first order
    approximation to the optimum checkpoint interval, Commun. ACM 17 (1974) 530, where lost work is in the place of
    waiting. g is the mean of the last requests, or the time since the last one where that is more; c is LOOK_SECONDS,
    or what looks are seen to take where that is more: at thousands of connections, say.

    >>> looks = Looks(0.0)
    >>> looks.seconds_to_next(2.0)
    0.02
    """

    def __init__(self, now: float) -> None:
        self._asked = deque([now], maxlen=_N_LAST)
        self._looks = deque([LOOK_SECONDS], maxlen=_N_LOOKS)

    def note_request(self, now: float) -> None:
        """Remember that somebody asked."""
        self._asked.append(now)

    def note_vain(self, seconds: float) -> None:
        """Remember what a look took that found nobody."""
        self._looks.append(seconds)

    def seconds_to_next(self, now: float) -> float:
        """Return how long to compute before the next look."""
        mean_seconds = (now - self._asked[0]) / len(self._asked)
        gap_seconds = max(0.0, mean_seconds, now - self._asked[-1])
        look_seconds = max(LOOK_SECONDS, min(self._looks))
        return min(max(SHORTEST_SECONDS, sqrt(2 * gap_seconds * look_seconds)), LONGEST_SECONDS)
