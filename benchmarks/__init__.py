"""What Leveret costs: the same work done by Leveret, by a bare pipeline and by the usual combinations."""
