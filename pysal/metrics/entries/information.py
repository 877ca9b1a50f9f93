"""Performance against information: AIC and SIC."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "aic_sic": Entry(
        "pysal.metrics.performance_information:aic_sic",
        summary="accuracy and score against the information in interpolated pictures, per image",
        cost="15 forward, 2 at most where an image does not count",
        source="Kapishnikov et al., XRAI, ICCV 2019, section 4.2; github.com/PAIR-code/saliency",
        better="higher",
        values={
            "sic": "higher",
            "aic": "higher",
            "probability": "",
            "probability_blurred": "",
            "bytes": "",
            "bytes_blurred": "",
        },
        aggregate="pysal.metrics.performance_information:aggregate_aic_sic",
        extra="regions",
    ),
    "aic_sic_binned": Entry(
        "pysal.metrics.performance_binned:aic_sic_binned",
        summary="accuracy and score ratio against the information in partly blurred pictures",
        cost="25 forward, 1 where an image does not count",
        source="Yang, Wang, Bilgic, IDGI, CVPR 2023, section 4",
        better="higher",
        values={"sic": "higher", "aic": "higher"},
        aggregate="pysal.metrics.performance_binned:aggregate_aic_sic_binned",
    ),
}
