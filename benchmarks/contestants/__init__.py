"""The programs that are measured; each one stands alone."""
