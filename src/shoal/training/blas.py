"""How many threads numpy's and scipy's matrix products take while something is learnt: one.

The products are small. Split over threads that then wait for each other, spinning, a logistic regression on embeddings
of 10,000 texts took 25 s instead of 3 on two cores that had other work too, and one on 385 texts 4 s instead of 0.2.
torch and onnxruntime have threads of their own.
"""
# pyright: reportMissingTypeStubs=false
# threadpoolctl ships no types.

from contextlib import AbstractContextManager
from importlib import import_module


def one_thread() -> AbstractContextManager[object]:
    """Limit them while a context is open; afterwards they are as they were."""
    from threadpoolctl import threadpool_limits

    import_module("scipy.linalg")  # brings a BLAS beside numpy's, which is limited only if it is there already
    return threadpool_limits(limits=1, user_api="blas")
