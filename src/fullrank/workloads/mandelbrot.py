"""Escape times of the Mandelbrot set, one row of an image at a time.

H.-O. Peitgen, H. Juergens, D. Saupe, Chaos and Fractals (Springer, 1992), chapter 14: the set holds
the points c of the complex plane for which z -> z^2 + c, from z = 0, stays within abs(z) <= 2 for
ever. A row that crosses the set costs many times what a row beside it costs, which makes the image
a hard case for sharing out work; hence no short cut for points that are known to be inside.
"""


def escape_step(real: float, imag: float, *, max_iterations: int) -> int:
    """Return the first n for which abs(z_n) > 2, or 0 if there is none up to ``max_iterations``.

    z_0 = 0 and z_1 = c = real + imag i.

    >>> escape_step(1.0, 0.0, max_iterations=100)  # 0, 1, 2, 5
    3
    >>> escape_step(-1.0, 0.0, max_iterations=100)  # 0, -1, 0, -1 ...
    0
    """
    x = y = x_squared = y_squared = 0.0
    for step in range(1, max_iterations + 1):
        y = 2.0 * x * y + imag
        x = x_squared - y_squared + real
        x_squared = x * x
        y_squared = y * y
        if x_squared + y_squared > 4.0:
            return step
    return 0


def pixel_centre(index: int, n_pixels: int, *, low: float, high: float) -> float:
    """Return the middle of one of ``n_pixels`` equal parts of the interval from low to high.

    A weighted mean, because it is symmetric to the last bit where low = -high.

    >>> [pixel_centre(index, 4, low=-1.0, high=1.0) for index in range(4)]
    [-0.75, -0.25, 0.25, 0.75]
    """
    return ((n_pixels - index - 0.5) * low + (index + 0.5) * high) / n_pixels


def row(
    row: int,
    *,
    width: int,
    height: int,
    max_iterations: int,
    x_min: float,
    x_max: float,
    y_min: float,
    y_max: float,
) -> dict[str, list[int]]:
    """Return the escape steps of all pixels of a row, at their centres.

    Args:
        row: number of the row, from 0 at ``y_min`` to ``height - 1`` at ``y_max``.
        width: number of pixels in a row.
        height: number of rows of the image.
        max_iterations: a point that has not escaped by then counts as inside the set.
        x_min: left edge of the image, real part of c.
        x_max: right edge.
        y_min: lower edge of the image, imaginary part of c.
        y_max: upper edge.

    Returns:
        ``escape_step``: ``width`` integers from 1 to ``max_iterations``, 0 for a point inside.
    """
    imag = pixel_centre(row, height, low=y_min, high=y_max)
    reals = (pixel_centre(column, width, low=x_min, high=x_max) for column in range(width))
    return {"escape_step": [escape_step(x, imag, max_iterations=max_iterations) for x in reals]}
