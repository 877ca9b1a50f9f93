"""The numbers of Agarwal and Nguyen, Explaining image classifiers by removing input features using
generative models, ACCV 2020: ResNet-50 on ImageNet (its tables on Places365 are left out).
"""

from __future__ import annotations

from collections.abc import Sequence

from record import Table


def _table(columns: Sequence[str], rows: dict[str, tuple[float, ...]]) -> Table:
    return {row: dict(zip(columns, values, strict=True)) for row, values in rows.items()}


FILLERS = _table(
    ("accuracy, %", "MS-SSIM", "LPIPS"),
    {
        "real": (92.30, 1.000, 0.000),
        "blur": (26.40, 0.941, 2.423),
        "gray": (13.30, 0.731, 3.186),
        "inpaint": (8.90, 0.707, 3.208),
        "noise": (4.40, 0.692, 3.639),
    },
)
"""Table 1, 1,000 photos of birds, Inception-v3."""

WHOLE_BLUR = 0.3198
"""Mean probability of the class when all of the image is blurred, 2,000 images."""

ACCURACY = _table(
    ("localization error, %", "deletion", "saliency metric"),
    {
        "Baseline": (39.7, 0.2083, 0.3294),
        "SP": (41.9, 0.1996, 0.3774),
        "SP-G": (38.95, 0.1769, 0.3122),
        "LIME": (28.05, 0.1355, 0.1191),
        "LIME-G": (26.55, 0.1171, 0.1159),
        "MP": (29.35, 0.1654, 0.1182),
        "MP2": (24.4, 0.1530, 0.0890),
        "MP2-G": (24.03, 0.1311, 0.0540),
        "FIDO-CA": (27.9, 0.1638, 0.1071),
    },
)
"""Tables 2 to 4, 2,000 images."""

SENSITIVITY = _table(
    ("ssim", "hog", "spearman"),
    {
        "SP": (0.698, 0.604, 0.404),
        "SP-G": (0.781, 0.691, 0.317),
        "LIME (50)": (0.553, 0.848, 0.573),
        "LIME-G (50)": (0.647, 0.896, 0.667),
        "LIME (150)": (0.163, 0.708, 0.155),
        "LIME-G (150)": (0.371, 0.776, 0.379),
        "MP2": (0.476, 0.453, 0.522),
        "MP2-G": (0.479, 0.569, 0.698),
    },
)
"""Table S1, 1,000 images."""

ARTEFACTS = {611: "jigsaw puzzle", 646: "maze", 996: "hen-of-the-woods"}
ARTEFACT_SHARE = 0.205
"""Of the samples of LIME, 500 for each of 200 images, that have one of these as the top class."""
