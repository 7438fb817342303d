"""How many threads numpy's and scipy's matrix products take while something is learnt: one.

The products are small. Split over threads that then wait for each other, spinning, a logistic regression on embeddings
of 10,000 texts took 25 s instead of 3 on two cores that had other work too, and one on 385 texts 4 s instead of 0.2.
torch and onnxruntime have threads of their own.
"""
# pyright: reportUnknownMemberType=false
# threadpoolctl ships no types.

import os
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module

_ASKED = "OPENBLAS_NUM_THREADS"


def one_thread() -> AbstractContextManager[object]:
    """Limit them while a context is open, unless whoever started the process has asked for a number."""
    if _ASKED in os.environ:
        return nullcontext()
    from threadpoolctl import threadpool_limits

    import_module("scipy.linalg")  # brings a BLAS beside numpy's, which is limited only if it is there already
    return threadpool_limits(limits=1, user_api="blas")
