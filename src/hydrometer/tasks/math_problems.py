"""Generators of mathematical problems whose exact answers are known by construction."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import comb, gcd, lcm
from random import Random

Problem = Callable[[Random], tuple[str, str]]
"""Draws a question and its exact answer as LaTeX."""


def fraction_sum(rng: Random) -> tuple[str, str]:
    """Two fractions added."""
    a, b = rng.sample([Fraction(n, d) for d in range(3, 13) for n in range(1, d) if gcd(n, d) == 1], 2)
    return f"What is {a} + {b}?", latex(a + b)


def linear_equation(rng: Random) -> tuple[str, str]:
    """An equation whose solution is a fraction."""
    a, b, c = rng.randint(2, 12), rng.randint(-15, 15) or 7, rng.randint(-15, 15) or 4
    return f"Solve for x: {a}x {_signed(b)} = {c}.", latex(Fraction(c - b, a))


def divisors(rng: Random) -> tuple[str, str]:
    """Greatest common divisor or least common multiple."""
    common = rng.randint(2, 15)
    a, b = (common * n for n in rng.sample(range(2, 16), 2))
    if rng.random() < 0.5:
        return f"What is the greatest common divisor of {a} and {b}?", str(gcd(a, b))
    return f"What is the least common multiple of {a} and {b}?", str(lcm(a, b))


def mean_of_list(rng: Random) -> tuple[str, str]:
    """A mean that is a fraction."""
    values = [rng.randint(1, 30) for _ in range(rng.choice((3, 4, 6)))]
    return f"What is the mean of {', '.join(map(str, values))}?", latex(Fraction(sum(values), len(values)))


def quadratic_roots(rng: Random) -> tuple[str, str]:
    """Two whole solutions."""
    low, high = sorted(rng.sample([n for n in range(-9, 10) if n], 2))
    return f"Find all solutions of {_quadratic(-low - high, low * high)} = 0.", rf"\{{{low}, {high}\}}"


def linear_inequality(rng: Random) -> tuple[str, str]:
    """A ray; a negative factor turns the sign round."""
    a, b, c = rng.choice((-7, -5, -4, -3, -2, 2, 3, 4, 5, 7)), rng.randint(-12, 12) or 5, rng.randint(-12, 12)
    bound, sign = latex(Fraction(c - b, a)), rng.choice(("<", "≤"))
    left, right = ("[", "]") if sign == "≤" else ("(", ")")
    gold = rf"(-\infty, {bound}{right}" if a > 0 else rf"{left}{bound}, \infty)"
    return f"Solve {a}x {_signed(b)} {sign} {c}. Give the solution as an interval.", gold


def power_remainder(rng: Random) -> tuple[str, str]:
    """A remainder of a power."""
    base, power, modulus = rng.randint(2, 12), rng.randint(5, 60), rng.randint(5, 17)
    return f"What is the remainder when {base}^{power} is divided by {modulus}?", str(
        pow(base, power, modulus)
    )


def hypotenuse(rng: Random) -> tuple[str, str]:
    """A length that is a root."""
    a, b = rng.sample(range(1, 13), 2)
    asked = f"The legs of a right triangle are {a} and {b}. How long is the hypotenuse?"
    return asked, root(a * a + b * b)


def irrational_roots(rng: Random) -> tuple[str, str]:
    """Two solutions with a root in them."""
    middle, square = (
        rng.randint(-6, 6),
        rng.choice([n for n in range(2, 40) if root(n) != str(round(n**0.5))]),
    )
    asked = f"Find all real solutions of {_quadratic(-2 * middle, middle**2 - square)} = 0."
    return asked, rf"\{{{middle or ''}-{root(square)}, {f'{middle}+' if middle else ''}{root(square)}\}}"


def quadratic_inequality(rng: Random) -> tuple[str, str]:
    """An interval, or all but one."""
    low, high = sorted(rng.sample(range(-9, 10), 2))
    sign, left, right = rng.choice(((">", "(", ")"), ("≥", "[", "]"), ("<", "(", ")"), ("≤", "[", "]")))
    asked = f"Solve {_quadratic(-low - high, low * high)} {sign} 0. Give the solution as an interval or a union of two."
    if sign in "<≤":
        return asked, f"{left}{low}, {high}{right}"
    return asked, rf"(-\infty, {low}{right} \cup {left}{high}, \infty)"


def drawing(rng: Random) -> tuple[str, str]:
    """A probability without replacement."""
    red, blue = rng.randint(3, 9), rng.randint(2, 9)
    number = rng.choice((2, 3))
    asked = (
        f"A bag holds {red} red and {blue} blue balls. {number} balls are drawn at random without replacement. "
        "What is the probability that all of them are red?"
    )
    return asked, latex(Fraction(comb(red, number), comb(red + blue, number)))


def two_remainders(rng: Random) -> tuple[str, str]:
    """The smallest number with two given remainders."""
    a, b = rng.choice([(p, q) for p in (4, 5, 7, 9, 11) for q in (3, 5, 8, 13) if gcd(p, q) == 1])
    number = rng.randrange(max(a, b), a * b)
    asked = (
        f"What is the smallest positive whole number that leaves remainder {number % a} when divided by {a} and "
        f"remainder {number % b} when divided by {b}?"
    )
    return asked, str(number)


def latex(value: Fraction) -> str:
    """Return a fraction as LaTeX."""
    if value.denominator == 1:
        return str(value.numerator)
    return rf"{'-' if value < 0 else ''}\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"


def root(number: int) -> str:
    """Return a square root as LaTeX, squares taken out of it."""
    outside = max(n for n in range(1, int(number**0.5) + 1) if number % (n * n) == 0)
    inside = number // outside**2
    if inside == 1:
        return str(outside)
    return rf"{outside if outside > 1 else ''}\sqrt{{{inside}}}"


def _signed(number: int) -> str:
    return f"+ {number}" if number >= 0 else f"- {-number}"


def _quadratic(middle: int, last: int) -> str:
    term = "" if middle == 0 else f" {_signed(middle)}x".replace(" 1x", " x")
    return f"x^2{term}{'' if last == 0 else ' ' + _signed(last)}"


PROBLEMS: dict[str, tuple[Problem, ...]] = {
    "easy": (fraction_sum, linear_equation, divisors, mean_of_list),
    "medium": (quadratic_roots, linear_inequality, power_remainder, hypotenuse),
    "hard": (irrational_roots, quadratic_inequality, drawing, two_remainders),
}
"""Kinds of problems by tier."""
