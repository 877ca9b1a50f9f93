"""Relevant features."""

from pysal.registry import Entry

ENTRIES: dict[str, Entry] = {
    "relevant_features": Entry(
        "pysal.methods.relevant_features:relevant_features",
        summary="show what the channels see that were selected for the class (option features)",
        needs=frozenset({"grad", "activations"}),
        cost="5 forward and 3 backward; once before: 1 forward per image of a labelled set",
        source="Oramas, Wang, Tuytelaars, Visual Explanation by Interpretation, ICLR 2019, "
        "sections 3.1 to 3.4",
    ),
}
