"""The admin API, for those who run Leveret."""
