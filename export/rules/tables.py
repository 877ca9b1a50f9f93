"""All rule tables by name; what each inherits from the gradient is said in its own file."""

from __future__ import annotations

from .deconvnet import DECONVNET
from .excitation_backprop import EXCITATION, NEGATED
from .excitation_main import EXCITATION_MAIN
from .gradient import GRADIENT, UNCLIPPED
from .guided_backprop import GUIDED
from .stride1_deconv import STRIDE1, STRIDE1_POOL
from .table import RuleTable

_ALL = (
    *(GRADIENT, UNCLIPPED, GUIDED, DECONVNET, STRIDE1, STRIDE1_POOL),
    *(EXCITATION, EXCITATION_MAIN, NEGATED),
)
TABLES: dict[str, RuleTable] = {table.name: table for table in _ALL}
