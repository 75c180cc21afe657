"""The official clients of Replicate's API against a running server, with nothing but its address and a token."""
