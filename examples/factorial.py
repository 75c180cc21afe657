"""The factorial of a number: a function of a few lines that can take microseconds or half a minute.

    leveret serve examples/factorial.py

    curl -s -H 'Prefer: wait' -H 'Content-Type: application/json' -d '{"input": {"n": 20}}' \
      http://127.0.0.1:8000/v1/models/local/factorial/predictions

With `"n": 150000` and without `Prefer: wait` the id is answered at once, and the events show how far it is:

    curl -sN http://127.0.0.1:8000/v1/predictions/ID/events
"""

import sys
from typing import Annotated

from pydantic import Field

from leveret import Context, model

STEP = 2_000
"""So many multiplications lie between two reports of progress."""


@model
def factorial(n: Annotated[int, Field(ge=0, le=200_000, description="a whole number")], context: Context) -> str:
    """The product of all whole numbers from 1 to n, as decimal digits."""
    product = 1
    for factor in range(2, n + 1):
        product *= factor
        if factor % STEP == 0:
            context.progress(factor / n, f"{factor} of {n}")
    sys.set_int_max_str_digits(0)  # Python refuses to write more than 4300 digits otherwise
    return str(product)
