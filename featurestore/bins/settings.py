"""Checks the settings of the bins where they are first used."""

import numpy as np

from contracts.arrays import I64
from contracts.errors import SettingsError
from contracts.settings import BinSettings
from featurestore.bins.replica import check_bins
from featurestore.features import NUMBER


def check_bin_settings(settings: BinSettings) -> None:
    """Raises `SettingsError` for more bins than a feature has rows, an unknown feature or a bad leaf share."""
    check_bins(settings.bins)
    supervised_numbers(settings)
    if not 0 < settings.leaf_share <= 0.5:
        raise SettingsError(
            f"bins.leaf_share (DRIFTLINE_BINS_LEAF_SHARE) is {settings.leaf_share}; it must be above 0, at most 0.5"
        )


def supervised_numbers(settings: BinSettings) -> I64:
    """int64[k], ascending: the features whose edges come from labelled examples. Raises `SettingsError`."""
    names = [name.strip() for name in settings.supervised.split(",") if name.strip()]
    unknown = [name for name in names if name not in NUMBER]
    if unknown:
        raise SettingsError(
            f"bins.supervised (DRIFTLINE_BINS_SUPERVISED) names {', '.join(unknown)}; dense features are"
            f" {', '.join(NUMBER)}"
        )
    return np.array(sorted({NUMBER[name] for name in names}), np.int64)
