from pysal.kernels.reference import blend as blend
from pysal.kernels.reference import path_accumulate as path_accumulate
from pysal.kernels.reference import tv as tv

__version__: str
openmp: bool

def max_threads() -> int: ...
