"""Sampling: scores of perturbed images."""

from pysal.registry import Entry

_G = (
    "Agarwal, Nguyen, Explaining Image Classifiers by Removing Input Features Using Generative "
    "Models, ACCV 2020"
)

ENTRIES: dict[str, Entry] = {
    "sliding_patch": Entry(
        "pysal.methods.sliding_patch:sliding_patch",
        summary="SP: what the score loses when a patch of the mean colour hides a place",
        cost="4357 forward",
        source=_G + ", SP",
    ),
    "sp_g": Entry(
        "pysal.methods.sp_g:sp_g",
        summary="SP with a generator that fills every patch from its surroundings",
        cost="4357 forward, 4356 fillings",
        source=_G + ", SP-G",
    ),
    "occlusion": Entry(
        "pysal.methods.occlusion:occlusion",
        summary="what windows take from the score, added or averaged on the pixels they cover",
        cost="44101 forward; stride 8: 730",
        source="Zeiler, Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, "
        "section 4.2; as in the PAIR library and captum",
    ),
    "rise": Entry(
        "pysal.methods.rise:rise",
        summary="average random masks, weighted by the score that they leave",
        cost="4001 forward",
        source="Petsiuk, Das, Saenko, RISE: Randomized Input Sampling for Explanation of "
        "Black-box Models, BMVC 2018, equation 6",
    ),
    "lime": Entry(
        "pysal.methods.lime:lime",
        summary="linear model of the score in terms of which superpixels show",
        cost="1001 forward",
        source="Ribeiro, Singh, Guestrin, Why Should I Trust You?, KDD 2016, equation 1; defaults "
        "of the code of Agarwal, Nguyen, ACCV 2020",
        extra="regions",
    ),
    "lime_g": Entry(
        "pysal.methods.lime_g:lime_g",
        summary="LIME with a generator that fills the superpixels that are off",
        cost="1001 forward, 1000 fillings",
        source=_G + ", LIME-G",
        extra="regions",
    ),
}
