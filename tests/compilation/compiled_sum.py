"""A kernel of a second's compilation: `python compiled_sum.py` prints its result, and says when it compiles."""

import numpy as np

from smartbkg.compilation import kernel


@kernel
def total(values, start=0.0):
    result = start
    for value in values:
        result += value
    return result


if __name__ == "__main__":
    print(total(np.arange(5.0)), total(np.arange(5.0), 1.0))
