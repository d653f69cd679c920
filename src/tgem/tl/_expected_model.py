"""Tools ask for the model that they read, and name the tool for another one."""

from __future__ import annotations

# What each model has for the same question.
PREDICTION = {
    "TGEM": "predict",
    "DeepSF": "predict_isoforms",
    "EpiAttention": "predict_expression",
}
ATTRIBUTION = {
    "TGEM": "attribution",
    "DeepSF": "regulation",
    "EpiAttention": "regulatory_attribution",
}
IMPORTANCE = ATTRIBUTION | {"EpiAttention": "regulatory_importance"}
NETWORK = {"TGEM": "network", "DeepSF": "regulation", "EpiAttention": "regulatory_network"}
ATTENTION = {"TGEM": "attention", "EpiAttention": "regulatory_attention"}


def check_model(
    model: object, kind: str, *, base: str | None = None, question: dict[str, str] | None = None
) -> None:
    """Raise unless a model is of the kind that a tool reads.

    Parameters
    ----------
    model
        What the user passed.
    kind
        The model to ask for: ``"TGEM"``, ``"DeepSF"`` or ``"EpiAttention"``.
    base
        Base class of that model that is enough.
    question
        Tool of each model for the same question.
    """
    # By name: tools import no model, whose libraries take seconds to load.
    names = [each.__name__ for each in type(model).__mro__]
    if (base or kind) in names:
        return
    tools = question or {}
    tool = next((tools[name] for name in names if name in tools), None)
    use = f"`tgem.tl.{tool}` for this one" if tool else f"a trained `tgem.model.{kind}`"
    article = "an" if kind[0] in "AEIOU" else "a"
    msg = f"Expected {article} {kind} model, got {names[0]}. Use {use}."
    raise TypeError(msg)
