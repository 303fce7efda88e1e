"""Training without a loop: the linear head (of each modality, in late fusion) is solved on features of frozen encoders."""

import time
from collections.abc import Collection, Sequence

import numpy as np
import torch
from torch import nn

from multimodal_emotion.batch import Utterance
from multimodal_emotion.checkpoint import TrainedModel
from multimodal_emotion.config import TrainingConfig
from multimodal_emotion.discriminants import Fitted, calibrate, cross_fit
from multimodal_emotion.errors import InputError, unknown
from multimodal_emotion.fusion._base import summary
from multimodal_emotion.fusion.late import Late
from multimodal_emotion.loading import Rows, collate_for, loader, plan
from multimodal_emotion.model import Dimensions, EmotionModel
from multimodal_emotion.tasks.multiclass import Multiclass
from multimodal_emotion.training import Epoch, History, peak_rss_mb

FUSED = "fused"
"""The name of the only head where modalities are fused before it."""


def solve(
    trained: TrainedModel, train: Rows, settings: TrainingConfig, seed: int = 0, only: Sequence[str] | None = None
) -> History:
    """Fits shrunken linear discriminants as the model's head, in place; what is random is the inner folds only.

    Shrinkage and calibration are chosen by inner folds of the training rows, over speakers (or dialogues) where all are
    known. Late fusion gets discriminants for each modality, and its stacker is fitted on their out-of-fold probabilities.

    Args:
        trained: whose encoders are frozen, with nothing else to learn before the head.
        train: rows with targets.
        settings: `workers` counts.
        seed: of the inner folds.
        only: these heads of late fusion; the others, and what they hear, are left as they are.

    Raises:
        InputError: the model has something else to learn, or the task has no discriminants.
    """
    began = time.perf_counter()
    heads = solvable_heads(trained, only)
    vectors, present = encode(trained, train, settings.workers)
    assert train.targets is not None
    target = np.stack(train.targets).astype(np.float64)
    groups = _groups(train)
    weights = trained.task.weights() if isinstance(trained.task, Multiclass) else None
    out_of_fold = np.full((len(vectors), *target.shape), 1 / target.shape[1])
    for number, (name, head) in enumerate(heads.items()):
        here = present[name]
        if not here.any():
            raise InputError(f"no training utterance has the modality {name!r}; leave its encoder out")
        own = [groups[row] for row in np.flatnonzero(here)] if groups else None
        fitted = cross_fit(vectors[name][here], target[here], own, seed=seed)
        _set(head, fitted, None if weights is None else weights.numpy())
        out_of_fold[number, here] = torch.from_numpy(fitted.out_of_fold).softmax(dim=1).numpy()
    fusion = trained.model.fusion
    if only is None and isinstance(fusion, Late) and fusion.how == "stacking":
        fusion.stacker.fit(
            torch.from_numpy(out_of_fold).transpose(0, 1),
            torch.from_numpy(np.stack(list(present.values()), axis=1)),
            torch.from_numpy(target.argmax(axis=1)),
        )
    trained.model.eval()
    logits = np.log(out_of_fold.mean(axis=0).clip(min=1e-12))
    seconds = time.perf_counter() - began
    loss, _ = calibrate(logits, target)
    return History([Epoch(0, loss, seconds, len(train) / seconds)], 0, peak_rss_mb())


@torch.inference_mode()
def encode(trained: TrainedModel, rows: Rows, workers: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What each head sees, (rows, dim), and where there is something to see, (rows,)."""
    model = trained.model.eval()
    batches = plan([rows.length(index) for index in range(len(rows))], 256)
    collate = collate_for(trained.preparations, trained.task, encoded=rows.encoded)
    vectors: dict[str, np.ndarray] = {}
    present: dict[str, np.ndarray] = {}
    for numbers, batch in zip(batches, loader(rows, batches, collate, workers), strict=True):
        encoded = model.encode(batch.inputs, batch.encoded)
        fusion = model.fusion
        seen = fusion.hear(encoded) if isinstance(fusion, Late) else {FUSED: fusion(encoded)}
        for name, sequence in seen.items():
            values = summary(sequence).float().numpy()
            vectors.setdefault(name, np.zeros((len(rows), values.shape[1]), dtype=np.float32))[numbers] = values
            present.setdefault(name, np.zeros(len(rows), dtype=bool))[numbers] = sequence.present.numpy()
    return vectors, present


@torch.no_grad()
def calibrate_heads(
    trained: TrainedModel, rows: Rows, workers: int = 0, leave: Collection[str] = ()
) -> dict[str, float]:
    """Makes the probabilities of each head what they say, by one factor on its logits: chosen on rows it was not trained on.

    No decision of a head changes; in late fusion a head that is too sure of itself weighs less. The factor becomes part of
    the layer's weights.

    Args:
        trained: is changed in place; its task decides between labels.
        rows: with targets, such as the validation split; each head is calibrated on those that it sees something of.
        workers: processes that decode.
        leave: heads that are honest already, because they were solved.

    Returns:
        The factors, by head ("fused" where modalities are fused before it).
    """
    if not isinstance(trained.task, Multiclass):
        raise InputError(f"training.calibrate is about probabilities of labels; task {trained.task.name} has none such")
    assert rows.targets is not None
    target = np.stack(rows.targets).astype(np.float64)
    vectors, present = encode(trained, rows, workers)
    fusion = trained.model.fusion
    heads = dict(fusion.heads.items()) if isinstance(fusion, Late) else {FUSED: trained.model.head}
    factors: dict[str, float] = {}
    for name, head in heads.items():
        if present[name].any() and name not in leave:
            logits = head.eval()(torch.from_numpy(vectors[name][present[name]])).double().numpy()
            _, factors[name] = calibrate(logits, target[present[name]])
            layer = _last(head)
            layer.weight.mul_(factors[name])
            layer.bias.mul_(factors[name])
    return factors


PENALTIES = tuple(float(value) for value in np.logspace(1, 5, 17))
"""Of which `fit_dimensions` chooses, for features in standard units."""


@torch.no_grad()
def fit_dimensions(
    trained: TrainedModel, utterances: Sequence[Utterance], names: Sequence[str], scale: Sequence[float | int]
) -> None:
    """Adds values that are read off one modality's vector, beside what the model decides: valence, arousal, dominance.

    Ridge regression on the encoder as it is: no decision of the model changes. The penalty of each value is chosen by
    leaving out one utterance at a time.

    Args:
        trained: gets `model.dimensions` and the settings of them, in place.
        utterances: labelled with numbers, all with one and the same modality, such as those of EmoBank.
        names: what the numbers are to be called, in the order of the labels.
        scale: the least and the largest value.

    Raises:
        InputError: the utterances have none of the model's modalities, or several.
    """
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    encoded = _vectors(trained, utterances)
    (modality, values), *others = encoded.items() or [("", np.empty(0))]
    if not modality or others:
        found = ", ".join(encoded) or "none"
        raise InputError(f"dimensions are read off one modality; the utterances have {found} of the model's")
    truth = np.array([list(utterance.label.values()) for utterance in utterances])  # type: ignore[union-attr]
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True)).fit(values, truth)
    # What is linear in standard units is linear in the features: the map is read off where it is 0 and where each is 1.
    bias = ridge.predict(np.zeros((1, values.shape[1])))
    weight = ridge.predict(np.eye(values.shape[1])) - bias
    read = Dimensions(values.shape[1], modality, names, scale)
    read.linear.weight.copy_(torch.from_numpy(weight.T))
    read.linear.bias.copy_(torch.from_numpy(bias[0]))
    trained.model.dimensions = read.eval()
    trained.settings.dimensions = {"modality": modality, "names": list(names), "range": list(scale)}


def _vectors(trained: TrainedModel, utterances: Sequence[Utterance]) -> dict[str, np.ndarray]:
    """What the encoders of the modalities that are there say, (utterances, dim) each, in float64."""
    rows = Rows(utterances, trained.preparations)
    batches = plan([rows.length(index) for index in range(len(rows))], 256)
    found: dict[str, np.ndarray] = {}
    for numbers, batch in zip(batches, loader(rows, batches, collate_for(trained.preparations), 0), strict=True):
        for name, sequence in trained.model.eval().encode(batch.inputs).items():
            if bool(sequence.present.any()):
                vectors = summary(sequence).double().numpy()
                found.setdefault(name, np.zeros((len(rows), vectors.shape[1])))[numbers] = vectors
    return found


def solvable_heads(trained: TrainedModel, only: Sequence[str] | None = None) -> dict[str, nn.Linear]:
    """The linear layers to be solved, by what they see.

    Raises:
        InputError: anything else would have to learn; the task, or the fusion, has no such heads.
    """
    model, fusion = trained.model, trained.model.fusion
    wish = "training.solver=discriminant" if only is None else "training.solved"
    if not isinstance(trained.task, Multiclass):
        raise InputError(f"{wish} decides between labels; task {trained.task.name} needs training.solver=gradient")
    heard: Collection[str] = model.encoders.keys()
    if only is not None:
        if not (isinstance(fusion, Late) and fusion.alone):
            raise InputError(
                f"{wish} names heads of late fusion (by mean, product or stacking), which this model has not"
            )
        for name in only:
            if name not in fusion.together:
                raise unknown("head", name, fusion.together, wish)
        heard = {each for name in only for each in fusion.together[name]}
    options = {"focal_gamma": trained.task.focal_gamma, "label_smoothing": trained.task.label_smoothing}
    options["logit_adjustment"] = trained.task.logit_adjustment
    for option, value in options.items():
        if value:
            raise InputError(f"{wish} has no loss that task.options.{option} could shape; leave it out")
    for name, encoder in model.encoders.items():
        if name in heard and any(parameter.requires_grad for parameter in encoder.parameters()):
            raise InputError(
                f"{wish} solves the head alone, but encoder {name!r} has something to learn: set training.freeze=all, and "
                f"a pooling (and layers) without weights"
            )
    if isinstance(fusion, Late) and fusion.alone:
        return {name: _last(head) for name, head in fusion.heads.items() if only is None or name in only}
    if type(fusion).__name__ in ("Single", "Concat") and len(_linear_layers(model)) == 1:
        return {FUSED: _last(model.head)}
    raise InputError(
        f"{wish} needs a linear head on fusion single or concat, or late fusion by mean, product or stacking"
    )


def _linear_layers(model: EmotionModel) -> list[nn.Module]:
    return [module for module in model.head.modules() if isinstance(module, nn.Linear)]


def _last(head: nn.Module) -> nn.Linear:
    found = list(head.modules())[-1]
    assert isinstance(found, nn.Linear)
    return found


def _groups(rows: Rows) -> list[str] | None:
    """The speaker of each row, else its dialogue; None where neither is known of all."""
    for unit in ("speaker", "dialogue"):
        names = [getattr(utterance, unit) for utterance in rows.utterances]
        if all(name is not None for name in names):
            return names
    return None


@torch.no_grad()
def _set(layer: nn.Linear, fitted: Fitted, weights: np.ndarray | None) -> None:
    """Writes the solution into a layer. Weights of labels in the loss are weights of their priors here."""
    bias = fitted.linear.bias + (0 if weights is None else np.log(weights))
    layer.weight.copy_(torch.from_numpy(fitted.linear.weight))
    layer.bias.copy_(torch.from_numpy(bias))
