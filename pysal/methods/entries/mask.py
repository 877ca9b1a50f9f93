"""Mask optimization."""

from pysal.registry import Entry

_IGOS_PP = (
    "Khorram, Lawson, Li, iGOS++: Integrated Gradient Optimized Saliency by Bilateral "
    "Perturbations, CHIL 2021"
)

_MP = (
    "Fong, Vedaldi, Interpretable Explanations of Black Boxes by Meaningful Perturbation, ICCV 2017"
)
_G = (
    "Agarwal, Nguyen, Explaining Image Classifiers by Removing Input Features Using Generative "
    "Models, ACCV 2020"
)

ENTRIES: dict[str, Entry] = {
    "igos": Entry(
        "pysal.methods.igos:igos",
        summary="optimize a small smooth mask that removes the score, along integrated gradients",
        needs=frozenset({"grad"}),
        cost="300 forward + backward and about 150 forward; preset fast: 24 and about 20",
        source="Qi, Khorram, Li, Visualizing Deep Networks by Optimizing with Integrated "
        "Gradients, AAAI 2020",
    ),
    "igos_plus": Entry(
        "pysal.methods.igos_plus:igos_plus",
        summary="I-GOS with one mask that must remove the score and, inverted, bring it back",
        needs=frozenset({"grad"}),
        cost="600 forward + backward and about 300 forward",
        source=_IGOS_PP + ", code for one mask",
    ),
    "igos_pp": Entry(
        "pysal.methods.igos_pp:igos_pp",
        summary="I-GOS with a deleting and an inserting mask, their product, and bilateral TV",
        needs=frozenset({"grad"}),
        cost="1200 forward + backward and about 600 forward",
        source=_IGOS_PP,
    ),
    "mp": Entry(
        "pysal.methods.mp:mp",
        summary="learn a smooth mask that removes the score with Adam, under jitter",
        needs=frozenset({"grad"}),
        cost="300 forward + backward and 36 forward; variant gildenblat: 500 and 1",
        source=_MP + ", equations 3 to 5",
    ),
    "mp_g": Entry(
        "pysal.methods.mp_g:mp_g",
        summary="MP with a generator that fills the hole of the mask at every step",
        needs=frozenset({"grad"}),
        cost="300 forward + backward, 300 fillings",
        source=_G + ", code of MP-G",
    ),
    "mp2": Entry(
        "pysal.methods.mp2:mp2",
        summary="remove the two cells of the largest gradients until the score is at chance",
        needs=frozenset({"grad"}),
        cost="up to 393 forward + backward",
        source=_G + ", MP2",
    ),
    "mp2_g": Entry(
        "pysal.methods.mp2_g:mp2_g",
        summary="MP2 with a generator that fills the removed cells after every step",
        needs=frozenset({"grad"}),
        cost="up to 393 forward + backward, as many fillings",
        source=_G + ", MP2-G",
    ),
    "fido": Entry(
        "pysal.methods.fido:fido",
        summary="learn which cells may be dropped, under drawn masks and any filler",
        needs=frozenset({"grad"}),
        cost="2400 forward + backward, as many fillings unless the filler is static",
        source="Chang, Creager, Goldenberg, Duvenaud, Explaining Image Classifiers by "
        "Counterfactual Generation, ICLR 2019, equations 2 to 5",
    ),
}
