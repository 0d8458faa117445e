"""The benchmark: a grid of conditions over datasets, resumable, reported with its certainty."""
