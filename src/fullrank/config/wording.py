"""How messages name what a user has to change: keys of a file, or what stands in place of one that nobody wrote."""

from collections.abc import Mapping

from fullrank.dataclass import dataclass, field

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Wording:
    """The words for a study; those of a file, unless others are told."""

    function: str = ""
    """What the user calls the function, and so the study; empty: as the file does."""
    seed_cure: str = "add seed = 1 (or another one) under [workload]"
    parameter_cure: str = "make it an axis under [sweep.grid] or a constant under [workload.constants]"
    constants_cure: str = "stands under [workload.constants]"
    of_tables: Mapping[Keys, str] = field(default_factory=dict)
    """Of a table whose keys have names that the user chose: what stands for one of them, with ``{}`` for the name."""
    of_keys: Mapping[Keys, str] = field(default_factory=dict)

    def of(self, keys: Keys) -> str | None:
        """Return what is said of a key; None: what the file has.

        >>> OPTIONS.of(("sweep", "grid", "x", "num")), OPTIONS.of(("workload", "seed")), OPTIONS.of(("run", "order"))
        ('--grid x: num', '--seed', None)
        """
        if keys in self.of_keys:
            return self.of_keys[keys]
        if keys[:2] not in self.of_tables or len(keys) < 3:
            return None
        return ": ".join([self.of_tables[keys[:2]].format(keys[2]), *keys[3:]])


OF_FILE = Wording()

OPTIONS = Wording(
    seed_cure="add --seed 1 (or another one)",
    parameter_cure="make it an axis with --grid or a constant with --const",
    constants_cure="is given with --const",
    of_tables={
        ("sweep", "grid"): "--grid {}",
        ("sweep", "zip"): "--zip {}",
        ("workload", "constants"): "--const {}",
    },
    of_keys={
        ("sweep",): "axes",
        ("sweep", "grid"): "--grid",
        ("sweep", "zip"): "--zip",
        ("sweep", "replicates"): "--replicates",
        ("workload", "function"): "function",
        ("workload", "seed"): "--seed",
    },
)
"""Of the command line."""

ARGUMENTS = Wording(
    seed_cure="add seed=1 (or another one)",
    parameter_cure="make it an axis in grid or a constant in constants",
    constants_cure="stands in constants",
    of_tables={
        ("sweep", "grid"): "grid['{}']",
        ("sweep", "zip"): "zip['{}']",
        ("workload", "constants"): "constants['{}']",
    },
    of_keys={
        ("sweep",): "axes",
        ("sweep", "grid"): "grid",
        ("sweep", "zip"): "zip",
        ("sweep", "replicates"): "replicates",
        ("workload", "function"): "function",
        ("workload", "seed"): "seed",
    },
)
"""Of a call from Python."""
