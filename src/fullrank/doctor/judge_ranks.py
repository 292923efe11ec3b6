"""Judgements of ranks that met, or did not: launcher and library, binding, threads, what each sees."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from fullrank.doctor.facts import Meeting, RankFacts
from fullrank.doctor.finding import Finding, ok, problem, warning
from fullrank.report.layout import counted

N_NAMED = 4
"""Of ranks that share a fault."""


def judge_meeting(found: Meeting, *, cure: str) -> Finding:
    """Judge whether the processes of one launcher are one world; ``cure`` says which launcher fits."""
    started = f"{found.launcher} started {found.n_started} process{'' if found.n_started == 1 else 'es'}"
    if found.is_late:
        return problem("MPI", f"{started}, which did not meet in time", f"{cure}; look for nodes that do not answer")
    if found.failure:
        return problem("MPI", f"{started}, which failed: {found.failure}", cure)
    libraries = sorted({rank.library for rank in found.ranks})
    if found.n_worlds != 1 or len(found.ranks) != found.n_started:
        loads = f"mpi4py loads {', '.join(libraries)}" if libraries else "none of them told of itself"
        sizes = sorted({rank.size for rank in found.ranks})
        each = (
            f", but each is a world of {counted(sizes[0], 'rank')}" if sizes == [1] else ", but they are no one world"
        )
        return problem("MPI", f"{started}{each}: {loads}, to which that launcher does not belong", cure)
    if len(libraries) > 1:
        return problem(
            "MPI", f"{started} with different libraries: {', '.join(libraries)}", "load one MPI on all nodes"
        )
    softwares = sorted({rank.software for rank in found.ranks})
    if len(softwares) > 1:
        cure = "start the same Python on all nodes, by its absolute path"
        return problem("MPI", f"{started}, which run different software: {', '.join(softwares)}", cure)
    hosts = counted(len({rank.host for rank in found.ranks}), "host")
    return ok(
        "MPI", f"{libraries[0]}: {found.launcher} starts {counted(found.n_started, 'rank')} as one world, on {hosts}"
    )


def judge_binding(ranks: Sequence[RankFacts]) -> Iterable[Finding]:
    """Yield what is to be said of each host whose ranks are in each other's way, else one finding that is ok."""
    hosts = _by_host(ranks)
    found = [finding for host, here in hosts.items() if (finding := _of_host(host, here)) is not None]
    if found:
        yield from found
    elif ranks:
        n_free = sum(len(rank.cpus) > 1 for rank in ranks)
        how = (
            "each rank has a core of its own"
            if not n_free
            else "the kernel spreads the ranks over the cores they share"
        )
        yield ok("binding", how)


def _by_host(ranks: Sequence[RankFacts]) -> dict[str, list[RankFacts]]:
    hosts: dict[str, list[RankFacts]] = {}
    for rank in ranks:
        hosts.setdefault(rank.host, []).append(rank)
    return hosts


def _of_host(host: str, ranks: Sequence[RankFacts]) -> Finding | None:
    crowded = _crowded(ranks)
    if crowded is None:
        return _on_hyper_threads(host, ranks)
    those, n_cores = crowded
    text = f"{host}: {_named(those)} share {counted(n_cores, 'core')}"
    n_all = len({cpu for rank in ranks for cpu in rank.cpus})
    if n_cores < n_all:
        cure = f"bind each rank to a core of its own: others of the {n_all} in use here are less crowded"
        return problem("binding", text, f"{cure} ({_BIND_OPTIONS})")
    if n_cores == 1:
        cure = f"ask for a core for each rank, or unbind them ({_BIND_OPTIONS})"
        return problem("binding", text, cure)
    return warning("binding", f"{text}: they take turns", f"start at most {n_cores} ranks on it")


_BIND_OPTIONS = "mpiexec --bind-to core, MPICH: -bind-to core, srun --cpu-bind=cores"


def _crowded(ranks: Sequence[RankFacts]) -> tuple[list[RankFacts], int] | None:
    """Return the ranks that have the fewest cores a rank, less than one, and how many; None if each can have one.

    Looked at are those whose cores lie within one rank's, for each rank: launchers bind to sets that are equal, lie
    within each other or have nothing in common.
    """
    worst: tuple[list[RankFacts], int] | None = None
    for cpus in {frozenset(rank.cpus) for rank in ranks}:
        within = [rank for rank in ranks if cpus.issuperset(rank.cpus)]
        if len(within) > len(cpus) and (worst is None or len(within) * worst[1] > len(worst[0]) * len(cpus)):
            worst = within, len(cpus)
    return worst


def _on_hyper_threads(host: str, ranks: Sequence[RankFacts]) -> Finding | None:
    cores = {core for rank in ranks for core in rank.cores}
    if not all(rank.cores for rank in ranks) or len(ranks) <= len(cores):
        return None
    text = f"{host}: {len(ranks)} ranks on the hyper-threads of {counted(len(cores), 'physical core')}"
    return warning("binding", text, f"`fullrank compare` tells whether that pays; else start {len(cores)} on it")


def judge_rank_threads(ranks: Sequence[RankFacts]) -> Iterable[Finding]:
    """Yield a warning if the ranks' numerical libraries would start more threads than the ranks have cores."""
    heavy = [rank for rank in ranks if rank.n_threads > max(1, len(rank.cpus))]
    if heavy:
        most = max(rank.n_threads for rank in heavy)
        text = f"{_named(heavy)} would start {most} threads on {counted(len(heavy[0].cpus), 'core')}"
        yield warning("BLAS threads", text, "unset OMP_NUM_THREADS and its like: a run sets them to 1")


def judge_sight(ranks: Sequence[RankFacts]) -> Iterable[Finding]:
    """Yield whether all ranks read what root wrote into the output's folder."""
    blind = [rank for rank in ranks if rank.unseen]
    if blind:
        hosts = ", ".join(sorted({rank.host for rank in blind}))
        text = f"{_named(blind)} on {hosts}: root's file is not seen in the output's folder: {blind[0].unseen}"
        yield problem("shared", text, "choose a folder that all nodes share, with -o")
    elif ranks:
        yield ok("shared", f"all {len(ranks)} ranks see the output's folder")


def alike(ranks: Sequence[RankFacts]) -> Iterator[str]:
    """Yield a line for each group of ranks on a host that are alike in all that a person looks at."""
    groups: dict[tuple[str, int, str], list[RankFacts]] = {}
    for rank in ranks:
        groups.setdefault((rank.host, len(rank.cpus), counted(rank.n_threads, "thread")), []).append(rank)
    for (host, n_cpus, threads), those in groups.items():
        bound = Counter(rank.cpus for rank in those)
        cpus = f"core {those[0].cpus[0]}" if len(bound) == 1 and n_cpus == 1 else counted(n_cpus, "core")
        each = "" if len(those) == 1 or len(bound) == 1 else " each"
        blind = ", blind" if any(rank.unseen for rank in those) else ""
        yield f"{host}: {_named(those)}: {cpus}{each}, {threads}{blind}"


def _named(ranks: Sequence[RankFacts]) -> str:
    """Name ranks, shortly where they follow each other."""
    numbers = sorted(rank.rank for rank in ranks)
    if len(numbers) == 1:
        return f"rank {numbers[0]}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"ranks {numbers[0]} to {numbers[-1]}"
    shown = ", ".join(map(str, numbers[:N_NAMED]))
    return f"ranks {shown}{' …' if len(numbers) > N_NAMED else ''}"
