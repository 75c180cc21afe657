"""Beside the predictor, as such folders have it."""


def loud(text: str) -> str:
    return text.upper()
