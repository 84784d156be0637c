"""Statistics of paired outcomes: arrays in, numbers out; nothing here knows a model.

Functions are loaded on first use: the values in `stats.estimate` are needed everywhere, scipy is not.
`paired.estimate` is not listed, for the module `stats.estimate` has its name.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_ROOMS = {
    "anytime": ("anytime_p", "e_bh", "margin_log_e", "mcnemar_log_e", "p_to_e", "zero_log_e"),
    "bounds": ("MissingBounds", "missing_bounds"),
    "calibration": (
        "CalibrationChange",
        "ScoreChange",
        "brier_change",
        "calibration_change",
        "nll_change",
        "sign_flip_p",
    ),
    "clusters": (
        "ClusterError",
        "cluster_error",
        "cluster_interval",
        "cluster_method",
        "cluster_tests",
        "design_effect",
    ),
    "flips": ("FlipFit", "chance", "fit_flips"),
    "floor": ("ExcessFlips", "excess_flips", "noise_floor"),
    "intervals": ("bonett_price_interval", "newcombe_interval", "wilson_interval"),
    "lengths": ("LengthRatio", "Pareto", "length_ratio", "pareto", "tokens_per_point_ratio"),
    "margin": ("FourTests", "four_tests", "fraction_tests", "prefix_tests", "table_tests"),
    "monitor": (
        "Looks",
        "chance_of_verdict",
        "latched",
        "repeated_estimate",
        "repeated_p_values",
        "repeated_tests",
    ),
    "multiplicity": ("benjamini_hochberg", "holm", "intersection_union"),
    "paired": (
        "critical_value",
        "mcnemar_exact",
        "mcnemar_midp",
        "mcnemar_midp_gain",
        "plus_two_interval",
        "plus_two_z",
        "plus_two_z_of_sums",
        "tango_interval",
        "tango_z",
        "tango_z_of_flips",
    ),
    "panel": ("panel_estimate",),
    "power": (
        "detectable_difference",
        "exact_noninferiority_power",
        "exact_power",
        "inflated",
        "pairs_for_difference",
        "pairs_for_difference_exact",
        "pairs_for_equivalence",
        "pairs_for_noninferiority",
    ),
    "repeated": ("VarianceComponents", "item_means", "pass_at_k", "pass_hat_k", "variance_components"),
    "sequential": ("boundaries", "look_counts", "one_sided_repeated_p", "repeated_p"),
    "tokens": ("TokenDrift", "compare_tokens", "exponentials", "join_tokens", "top_tokens"),
    "top": ("TopRows", "code_logprobs", "compare_top", "compare_tops", "decode_logprobs", "top_rows"),
}
"""The public functions and values of each module."""

__all__ = sorted(name for names in _ROOMS.values() for name in names)  # noqa: PLE0605 - made from the table


def __getattr__(name: str) -> Any:
    """Find a public function in its module."""
    for room, names in _ROOMS.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{room}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
