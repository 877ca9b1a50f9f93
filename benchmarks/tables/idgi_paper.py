"""The numbers of Yang, Wang, Bilgic, IDGI: A Framework to Eliminate Explanation Noise from
Integrated Gradients, CVPR 2023: MobileNetV2, and the mean of its 11 networks.
"""

from __future__ import annotations

from record import Table

ROWS = ("IG", "IG+IDGI", "GIG", "GIG+IDGI", "BlurIG", "BlurIG+IDGI", "VG")
MOBILENET, MEAN = "MobileNetV2", "mean of 11"

_TABLES: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "Table 1a. insertion, probability": (
        (0.203, 0.346, 0.231, 0.291, 0.198, 0.306, 0.129),
        (0.310, 0.433, 0.322, 0.380, 0.261, 0.379, 0.194),
    ),
    "Table 1b. insertion, ratio": (
        (0.248, 0.419, 0.285, 0.354, 0.244, 0.369, 0.160),
        (0.338, 0.473, 0.354, 0.416, 0.287, 0.414, 0.212),
    ),
    "Table 2a. AIC, entropy": (
        (0.098, 0.233, 0.114, 0.204, 0.145, 0.197, 0.068),
        (0.170, 0.289, 0.164, 0.261, 0.208, 0.242, 0.111),
    ),
    "Table 2b. SIC, entropy": (
        (0.020, 0.145, 0.023, 0.111, 0.043, 0.103, 0.011),
        (0.070, 0.230, 0.056, 0.189, 0.112, 0.167, 0.024),
    ),
    "Table 3a. AIC, MS-SSIM": (
        (0.179, 0.259, 0.197, 0.238, 0.186, 0.241, 0.150),
        (0.234, 0.300, 0.242, 0.286, 0.225, 0.283, 0.202),
    ),
    "Table 3b. SIC, MS-SSIM": (
        (0.126, 0.204, 0.144, 0.187, 0.130, 0.188, 0.096),
        (0.193, 0.264, 0.203, 0.250, 0.184, 0.247, 0.160),
    ),
    "Table 4a. F1": (
        (0.666, 0.741, 0.686, 0.713, 0.673, 0.718, 0.656),
        (0.668, 0.730, 0.682, 0.711, 0.671, 0.706, 0.658),
    ),
    "Table 4b. ROC-AUC": (
        (0.677, 0.811, 0.695, 0.760, 0.684, 0.778, 0.653),
        (0.676, 0.796, 0.674, 0.751, 0.676, 0.748, 0.643),
    ),
    "Table 4c. MAE (lower is better)": (
        (0.234, 0.183, 0.225, 0.203, 0.231, 0.199, 0.242),
        (0.234, 0.192, 0.229, 0.206, 0.234, 0.210, 0.244),
    ),
}
TITLES = tuple(_TABLES)

DIFFERS = (
    "Networks: SqueezeNet 1.1, beside the mean of the paper's 11 networks, and torchvision's "
    "MobileNetV2, beside its MobileNetV2, which is that of Keras.",
    "Photos: of COCO, those whose top class on both networks is that of an annotated thing; the "
    "class is the top class. Paper: 33,000 to 39,000 of ImageNet's validation images per network, "
    "those that it classifies correctly.",
    "Boxes: all of COCO's for things that the class means, united; paper ImageNet's.",
    "Steps: 200 as in the paper, unless --steps says otherwise. Paths have the defaults of the "
    "PAIR library. Maps are |sum over channels|; the paper does not say.",
    "AIC and SIC: 25 pictures per photo in 100 bins of information; empty bins are interpolated, "
    "which matters with few photos.",
)
"""What is not as in the paper."""


def published(title: str, columns: dict[str, str]) -> Table:
    """Row -> column -> the paper's number; each column stands for `MOBILENET` or `MEAN`."""
    numbers = dict(zip((MOBILENET, MEAN), _TABLES[title], strict=True))
    return {
        row: {column: numbers[source][place] for column, source in columns.items()}
        for place, row in enumerate(ROWS)
    }
