"""Numbers of Qi, Khorram, Li, I-GOS, AAAI 2020, Tables 1 to 6."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Numbers = Mapping[str, Mapping[str, float]]


def _by_size(sizes: Sequence[int], *values: float) -> dict[str, float]:
    """DEL and INS in turn for every resolution."""
    columns = [f"{size} {name}" for size in sizes for name in ("DEL", "INS")]
    return dict(zip(columns, values, strict=True))


_VGG, _RESNET = (224, 112, 28, 14), (224, 112, 28, 14, 7)

TABLE_1: Numbers = {
    "Excitation BP": _by_size(_VGG, 0.2037, 0.4728, 0.2053, 0.4966, 0.2202, 0.5256, 0.2328, 0.5452),
    "Mask (MP)": _by_size(_VGG, 0.0482, 0.4158, 0.0728, 0.4377, 0.1056, 0.5335, 0.1753, 0.5647),
    "GradCAM": _by_size((14,), 0.1527, 0.5938),
    "RISE": _by_size((224,), 0.1082, 0.5139),
    "Integrated Gradients": _by_size((224,), 0.0663, 0.2551),
    "I-GOS": _by_size(_VGG, 0.0336, 0.5246, 0.0609, 0.5153, 0.0899, 0.5701, 0.1213, 0.6387),
}
"""VGG19, 5,000 photos."""

TABLE_2: Numbers = {
    "Mask (MP)": _by_size(
        *(_RESNET, 0.0468, 0.4962, 0.0746, 0.5090, 0.1151, 0.5559, 0.1557, 0.5959, 0.2259, 0.6003)
    ),
    "GradCAM": _by_size((7,), 0.1675, 0.6521),
    "RISE": _by_size((224,), 0.1196, 0.5637),
    "Integrated Gradients": _by_size((224,), 0.0907, 0.2921),
    "I-GOS": _by_size(
        *(_RESNET, 0.0420, 0.5846, 0.0704, 0.5943, 0.1059, 0.5986, 0.1387, 0.6387, 0.1607, 0.6632)
    ),
}
"""ResNet50, 5,000 photos."""

TABLE_3: Numbers = {
    "Mask (MP)": {"224": 17.03, "112": 14.61, "28": 14.66, "14": 14.35, "7": 14.24},
    "RISE": {"224": 61.77},
    "I-GOS": {"224": 6.07, "112": 5.73, "28": 5.70, "14": 5.63, "7": 5.62},
}
"""Seconds per photo, ResNet50, GTX 1080Ti; GradCAM and integrated gradients are "<1" there."""

TABLE_4: Numbers = {
    "full method": _by_size((224, 28), 0.0336, 0.5246, 0.0899, 0.5701),
    "no TV term": _by_size((224, 28), 0.0308, 0.3712, 0.0841, 0.5181),
    "no noise": _by_size((224, 28), 0.0559, 0.4194, 0.0872, 0.5634),
    "fixed step size": _by_size((224, 28), 0.0393, 0.5024, 0.0906, 0.5403),
}
"""Ablation, VGG19."""

TABLE_5: Numbers = {
    "I-GOS 0.01/0.2": {"total loss": 0.2241, "DEL": 0.0825, "INS": 0.5418},
    "Mask (MP) 0.01/0.2": {"total loss": 0.3349, "DEL": 0.1056, "INS": 0.5335},
    "I-GOS 0.1/2": {"total loss": 0.3739, "DEL": 0.0861, "INS": 0.5624},
    "Mask (MP) 0.1/2": {"total loss": 0.4857, "DEL": 0.1178, "INS": 0.5307},
    "I-GOS 1/20": {"total loss": 0.6098, "DEL": 0.0899, "INS": 0.5701},
    "Mask (MP) 1/20": {"total loss": 0.6794, "DEL": 0.1340, "INS": 0.5207},
}
"""Convergence at 28 x 28, VGG19; the coefficients of the middle pair are a guess."""

TABLE_6: Mapping[str, float] = {
    "AM": 37.10,
    "Deconv": 38.60,
    "MWP": 39.50,
    "Excitation BP": 49.60,
    "RISE": 50.71,
    "Mask 14": 40.03,
    "Mask 28": 43.24,
    "I-GOS 14": 47.16,
    "I-GOS 28": 49.62,
}
"""Pointing game on MSCOCO, percent, VGG16 trained for several labels."""
