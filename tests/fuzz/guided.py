"""Feeds inputs of which those that reach new code are changed further; started by ``part.py``.

The fuzzer is libFuzzer, driven by atheris, which counts the branches and comparisons of fullrank's modules. It would
end at the first failure; what is fed here never fails, for `Runner` counts what came of it.
"""

import os
import random
import re
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import atheris
from count import Count
from last import Last
from part import Part, program
from target import Target

_LONGEST_BYTES = 1 << 14
_WORD = re.compile(rb"[A-Za-z_][A-Za-z_0-9-]{2,}|--[a-z-]+")


def feed(part: Part, last: Last, leave: Callable[[Count], None]) -> None:
    """Feed the part's target."""
    with atheris.instrument_imports(include=["fullrank"]):  # before anything of it is imported
        from targets import TARGETS

        guide(TARGETS[part.target], part, last, leave)


def guide(make: Callable[[Path], Target], part: Part, last: Last | None, leave: Callable[[Count], None]) -> None:
    """Feed a target whose modules are instrumented; never returns."""
    from runner import Runner  # it imports fullrank

    runner = Runner(part.seed, last)
    with runner.ready(make) as (target, folder), tempfile.TemporaryDirectory() as name:
        count = Count(target.name, "guided")

        def one(data: bytes) -> None:
            if not part.go_on(count):
                leave(count)
                os._exit(0)  # libFuzzer knows no other end
            runner.feed(target, data, count, folder)

        def changed(data: bytes, n_max: int, seed: int) -> bytes:
            result = target.change(random.Random(seed), data, lambda part: atheris.Mutate(part, n_max))
            return result if len(result) <= n_max else data

        options = _options(target, Path(name), seed=part.seed)
        atheris.Setup(["fuzz", *options], one, custom_mutator=changed)
        atheris.Fuzz()


def _options(target: Target, folder: Path, *, seed: int) -> list[str]:
    """Write samples and words where libFuzzer finds them, and return its options."""
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, sample in enumerate(target.samples):
        (corpus / str(number)).write_bytes(sample)
    words = {*target.words, *(word for sample in target.samples for word in _WORD.findall(sample))}
    (folder / "words").write_text("".join(_lines(words)))
    n_max = max(_LONGEST_BYTES, *(2 * len(sample) for sample in target.samples))
    return [
        str(corpus),
        f"-dict={folder / 'words'}",
        f"-artifact_prefix={folder}/",
        f"-max_len={n_max}",
        f"-seed={seed % (1 << 31) + 1}",  # 0 would be a new one each time
        "-rss_limit_mb=0",  # the process has a limit of its own
        "-len_control=0",  # samples are as long as they are
        "-timeout=0",  # it would take the alarm
    ]


def _lines(words: Iterable[bytes]) -> list[str]:
    escaped = ["".join(f"\\x{byte:02x}" for byte in word) for word in sorted(words) if len(word) <= 64]
    return [f'"{word}"\n' for word in escaped]


if __name__ == "__main__":
    program(feed)
