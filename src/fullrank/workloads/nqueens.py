"""How many ways there are to put n queens on a board so that none attacks another.

The board is searched row by row; the squares that are under attack are the bits of three integers
(M. Richards, Backtracking algorithms in MCPL using bit patterns and recursion, Technical Report 433,
University of Cambridge Computer Laboratory, 1997). The numbers of solutions are the sequence A000170
of the On-Line Encyclopedia of Integer Sequences, https://oeis.org/A000170.

An item fixes the queens of the first two rows. Some pairs attack each other and take no time at all;
of the others some leave several times as much to search as others.
"""


def solutions(n: int, first: int, second: int) -> int:
    """Return the number of solutions with given queens in the first two rows.

    It is 0 if these two attack each other. The sum over all pairs is the number of all solutions.

    >>> solutions(4, 1, 3), solutions(4, 0, 2), solutions(4, 1, 1)
    (1, 0, 0)

    Args:
        n: rows and columns of the board, at least 2.
        first: column of the queen in the first row, 0 to ``n - 1``.
        second: column of the queen in the second row, 0 to ``n - 1``.
    """
    if abs(first - second) <= 1:
        return 0
    upper, lower = 1 << first, 1 << second
    board = (1 << n) - 1
    return _completions(board, upper | lower, (upper << 1 | lower) << 1, (upper >> 1 | lower) >> 1)


def _completions(board: int, columns: int, rising: int, falling: int) -> int:
    """Count the ways to fill the rows that are left.

    Bits are columns of the next row: taken by a queen above (``columns``), or attacked along a
    diagonal that moves one column up (``rising``) or down (``falling``) with each row.
    """
    if columns == board:
        return 1
    n_solutions = 0
    free = board & ~(columns | rising | falling)
    while free:
        queen = free & -free
        free ^= queen
        n_solutions += _completions(board, columns | queen, (rising | queen) << 1, (falling | queen) >> 1)
    return n_solutions
