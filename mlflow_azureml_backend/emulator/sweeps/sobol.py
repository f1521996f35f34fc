"""Sobol's sequence: points that fill a cube more evenly than chance does."""

from __future__ import annotations

from functools import cache
from typing import Final

_BITS: Final = 30

# Joe and Kuo's primitive polynomials and first direction numbers, from the second dimension on.
_POLYNOMIALS: Final[tuple[tuple[int, tuple[int, ...]], ...]] = (
    (0, (1,)),
    (1, (1, 3)),
    (1, (1, 3, 1)),
    (2, (1, 1, 1)),
    (1, (1, 1, 3, 3)),
    (4, (1, 3, 5, 13)),
    (2, (1, 1, 5, 5, 17)),
    (4, (1, 1, 5, 5, 5)),
    (7, (1, 1, 7, 11, 19)),
    (11, (1, 1, 5, 1, 1)),
    (13, (1, 1, 1, 3, 11)),
    (14, (1, 3, 5, 5, 31)),
    (1, (1, 3, 3, 9, 7, 49)),
    (13, (1, 1, 1, 15, 21, 21)),
    (16, (1, 3, 1, 13, 27, 49)),
    (19, (1, 1, 1, 15, 7, 5)),
    (22, (1, 3, 1, 15, 13, 25)),
    (25, (1, 1, 5, 5, 19, 61)),
    (1, (1, 3, 7, 11, 23, 15, 103)),
    (4, (1, 3, 7, 13, 13, 15, 69)),
)

DIMENSIONS: Final = len(_POLYNOMIALS) + 1
"""How many dimensions it is known for."""


def sobol_point(index: int, shifts: tuple[int, ...]) -> tuple[float, ...]:
    """Give one point of the sequence.

    Args:
        index: which one, from 0.
        shifts: a whole number for each dimension that moves all points alike; 0 for none.
    """
    gray = index ^ (index >> 1)
    point = []
    for dimension, shift in enumerate(shifts):
        bits = shift & ((1 << _BITS) - 1)
        for bit, direction in enumerate(_directions(dimension)):
            if gray >> bit & 1:
                bits ^= direction
        point.append(bits / (1 << _BITS))
    return tuple(point)


@cache
def _directions(dimension: int) -> tuple[int, ...]:
    if dimension == 0:
        return tuple(1 << (_BITS - 1 - bit) for bit in range(_BITS))
    polynomial, first = _POLYNOMIALS[dimension - 1]
    degree = len(first)
    found = [number << (_BITS - 1 - bit) for bit, number in enumerate(first)]
    for bit in range(degree, _BITS):
        number = found[bit - degree] ^ (found[bit - degree] >> degree)
        for term in range(1, degree):
            if polynomial >> (degree - 1 - term) & 1:
                number ^= found[bit - term]
        found.append(number)
    return tuple(found)
