from pysal.kernels.reference import blend as blend
from pysal.kernels.reference import path_accumulate as path_accumulate
from pysal.kernels.reference import tv as tv
from pysal.kernels.reference_deconv import resampled_deconv as resampled_deconv
from pysal.kernels.reference_sampling import blend_grids as blend_grids
from pysal.kernels.reference_sampling import blend_patches as blend_patches
from pysal.kernels.reference_sampling import blend_ranked as blend_ranked
from pysal.kernels.reference_sampling import blend_segments as blend_segments
from pysal.kernels.reference_sampling import rise_accumulate as rise_accumulate

__version__: str
openmp: bool

def max_threads() -> int: ...
