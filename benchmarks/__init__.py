"""Speed and size, one file per claim, each measured against its reference in the same run. ``make bench`` runs them."""
