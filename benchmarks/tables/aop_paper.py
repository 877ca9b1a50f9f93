"""Numbers of Zhang, Rao, Yang, AOP and SIGCAM, AAAI 2021, Tables 1 to 3, in percent."""

from __future__ import annotations

from collections.abc import Mapping

TABLE_1: Mapping[str, Mapping[str, float]] = {
    "GradCAM": {"DEL": 17.92, "INS": 66.04, "over-all": 48.12},
    "WGradCAM": {"DEL": 17.23, "INS": 66.83, "over-all": 49.60},
    "EMP (MP)": {"DEL": 12.70, "INS": 49.21, "over-all": 36.51},
    "I-GOS": {"DEL": 8.76, "INS": 57.25, "over-all": 48.49},
    "GradCAM + EMP": {"DEL": 11.90, "INS": 62.58, "over-all": 50.68},
    "GradCAM + I-GOS": {"DEL": 8.97, "INS": 65.47, "over-all": 56.50},
    "SIGCAM": {"DEL": 9.91, "INS": 67.57, "over-all": 57.66},
}
"""Ablation, Inception_v3, 5,000 photos."""

NETWORKS = ("densenet201", "inception_v3", "vgg19")
COLUMNS = [f"{network} {value}" for network in NETWORKS for value in ("DEL", "INS")]

TABLE_2: Mapping[str, Mapping[str, float]] = {
    row: dict(zip([*COLUMNS, "over-all"], values, strict=True))
    for row, values in {
        "GradCAM": (16.72, 58.65, 16.95, 56.14, 13.33, 53.50, 40.43),
        "GradCAM++": (17.35, 57.55, 16.24, 53.83, 14.81, 50.04, 37.68),
        "I-GOS": (10.63, 44.67, 9.32, 49.28, 7.38, 38.47, 35.03),
        "XRAI": (24.97, 45.22, 16.66, 54.98, 15.78, 43.08, 28.62),
        "SIGCAM": (10.97, 54.61, 10.22, 57.94, 7.80, 42.54, 42.04),
    }.items()
}
"""50,000 photos; over-all is the mean over the networks of INS - DEL."""

TABLE_3: Mapping[str, float] = {
    "GradCAM": 25.78,
    "GradCAM++": 29.91,
    "I-GOS": 35.72,
    "XRAI": 28.12,
    "SIGCAM": 38.64,
}
"""Pointing game, masks of COCO val2017, ResNet50 tuned for several labels, scores above 0.5."""
