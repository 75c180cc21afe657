"""What Leveret lets others see of itself: its log, and its metrics."""
