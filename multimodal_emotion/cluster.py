"""Beyond one machine, on Ray: extraction on Ray Data, training under Ray Train, search with Ray Tune.

Ray starts processes and places them; what they do is what one machine does. They join the cluster that RAY_ADDRESS names, or
the one that this process is connected to already, or they make one on this machine that ends with them. Folders (corpus,
output, MULTIMODAL_EMOTION_CACHE) must be the same on all machines: a shared file system.
"""

import json
import logging
import math
import os
import pickle
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from optuna.trial import TrialState
from tqdm import tqdm

from multimodal_emotion import config as configuration
from multimodal_emotion import feature_files, parallel, runs, tuning
from multimodal_emotion.batch import Utterance
from multimodal_emotion.config import Config
from multimodal_emotion.encoders._base import Encoder
from multimodal_emotion.errors import InputError
from multimodal_emotion.extraction import extract as extract_features
from multimodal_emotion.files import cache_folder
from multimodal_emotion.training import Epoch

BATCH = 64
"""Utterances that an actor is given at a time."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}
"""No statistics for anybody, no tables and log files of Ray's, no warning of torch that no modality was missing so far."""


# ------------------------------------------------------------------------------------------------------------ extraction


def extract(corpus: str | None = None, root: str | Path | None = None, *, workers: int = 2, **given: Any) -> Any:
    """`feature_files.extract`, its features computed on Ray Data by actors that each hold the encoder.

    What an actor computes goes into the cache, and from there into the files: the driver holds no more than on one machine.

    Args:
        corpus, root, given: as for `feature_files.extract`.
        workers: how many actors.
    """
    progress = bool(given.get("progress", True))
    with _cluster(workers, "--workers"):
        return feature_files.extract(corpus, root, fill=partial(_fill, workers=workers, progress=progress), **given)


def _fill(
    encoder: Encoder, name: str, utterances: Sequence[Utterance], on_error: str, *, workers: int, progress: bool
) -> None:
    """Computes what is not in the cache; a clip that cannot be decoded is an InputError at once, or left out."""
    import ray

    if not utterances:
        return
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    size = min(BATCH, -(-len(utterances) // workers))
    gpu = ray.cluster_resources().get("GPU", 0) >= workers
    rows = [{"utterance": pickle.dumps(utterance)} for utterance in utterances]
    done = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // size)).map_batches(
        _Extractor,
        fn_constructor_args=(encoder, name, str(cache_folder() / "features"), gpu),
        batch_size=size,
        batch_format="numpy",
        concurrency=workers,
        num_cpus=1,
        num_gpus=1 if gpu else 0,
    )
    shown = progress and sys.stderr.isatty()
    bar = tqdm(total=len(rows), desc=f"{name} on {workers} actors", unit=" utterances", leave=False, disable=not shown)
    for row in done.iter_rows():
        bar.update(1)
        if row["problem"] and on_error == "raise":
            raise InputError(f"utterance {row['id']}: {row['problem']}")
    bar.close()


class _Extractor:
    """An actor of Ray Data: holds an encoder, and computes its features into the cache."""

    def __init__(self, encoder: Encoder, name: str, cache: str, gpu: bool) -> None:
        self.encoder = encoder
        self.name, self.cache, self.device = name, Path(cache), "cuda" if gpu else "cpu"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """{"utterance": pickled} -> of each its id, and why it could not be decoded, "" if it could."""
        utterances: list[Utterance] = [pickle.loads(data) for data in batch["utterance"]]
        problems: dict[str, tuple[str, ...]] = {}
        extract_features(
            self.encoder, self.name, utterances, cache=self.cache, device=self.device, on_error="skip",
            problems=problems,
        )  # fmt: skip
        names = [utterance.id for utterance in utterances]
        return {"id": names, "problem": ["; ".join(problems.get(name, ())) for name in names]}


# -------------------------------------------------------------------------------------------------------------- training


def train(config: Config, output: str | Path, *, progress: bool = True) -> runs.Run:
    """`runs.train` with `training.devices` processes under Ray Train, on whichever machines have room for them.

    Raises:
        InputError: as `runs.train`; a worker was lost.
    """
    folder, workers = Path(output).absolute(), config.training.devices
    runs.refuse_used(folder)
    gpu = parallel.uses_gpu(config.training)
    with _cluster(workers, "training.devices", loud=progress), tempfile.TemporaryDirectory() as place:
        from ray.train import RunConfig, ScalingConfig, TrainingFailedError
        from ray.train.torch import TorchConfig, TorchTrainer

        given = {"config": config.to_dict(), "output": str(folder), "progress": progress, "errors": place}
        trainer = TorchTrainer(
            _worker,
            train_loop_config=given,
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpu),
            run_config=RunConfig(storage_path=place, name="train"),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            refused = Path(place) / "refused"
            if refused.is_file():
                raise InputError(refused.read_text(encoding="utf-8")) from None
            raise InputError(f"{folder}: a worker failed: {str(error).strip().splitlines()[-1]}") from error
    return runs.resume(folder, progress=False)


def _worker(given: Mapping[str, Any]) -> None:
    """One process of a training; Ray Train has made the group."""
    from ray.train.torch import get_device

    config = configuration.from_dict(given["config"], "config.yaml")
    if parallel.uses_gpu(config.training):
        torch.cuda.set_device(get_device())
    try:
        runs.train(config, given["output"], progress=given["progress"])
    except InputError as error:
        (Path(given["errors"]) / "refused").write_text(str(error), encoding="utf-8")
        raise


# ---------------------------------------------------------------------------------------------------------------- search


def tune(
    config: Config,
    search: Sequence[str],
    output: str | Path,
    *,
    trials: int = 20,
    jobs: int = 2,
    progress: bool = True,
) -> tuning.Tuned:
    """`tuning.tune` with trials under Ray Tune: the same study and files, suggested by the same estimator.

    Ray Tune runs them and gives up, after 1, 2, 4, ... epochs, those that are in the worse half (ASHA).

    Source: A System for Massively Parallel Hyperparameter Tuning, 2018, arXiv 1810.05934.
    """
    with _cluster(jobs, "--jobs"):
        return tuning.tune(config, search, output, trials=trials, jobs=jobs, progress=progress, work=_work)


def _work(
    folder: Path, config: Config, ranges: list[tuning.Search], trials: int, jobs: int, metric: str, progress: bool
) -> None:
    """Runs trials until enough have ended."""
    from ray import tune as ray_tune
    from ray.tune.schedulers import ASHAScheduler

    study = tuning.open_study(folder, config.seed)
    if tuning.is_enough(study, trials):
        return
    mode = "max" if study.direction.name == "MAXIMIZE" else "min"
    given = {"config": config.to_dict(), "metric": metric, "folder": str(folder.absolute())}
    with tempfile.TemporaryDirectory() as place:
        ray_tune.Tuner(
            ray_tune.with_resources(ray_tune.with_parameters(_trial, given=given), {"cpu": 1}),
            tune_config=ray_tune.TuneConfig(
                metric=metric,
                mode=mode,
                search_alg=_searcher(study, ranges, trials, metric, progress),
                # The last report comes after the last epoch; it must not be cut off.
                scheduler=ASHAScheduler(time_attr="epoch", max_t=config.training.epochs + 2, reduction_factor=2),
                num_samples=-1,
                max_concurrent_trials=jobs,
            ),
            run_config=ray_tune.RunConfig(storage_path=place, name="tune", verbose=0),
        ).fit()
    for left in folder.glob(f"{tuning.TRIAL}*"):  # of trials that were given up
        shutil.rmtree(left, ignore_errors=True)


def _searcher(study: Any, ranges: Sequence[tuning.Search], trials: int, metric: str, progress: bool) -> Any:
    """Asks our study what Ray Tune is to try, and tells it what came out."""
    from ray.tune.search import Searcher

    class Study(Searcher):
        """See above."""

        def __init__(self) -> None:
            super().__init__(metric=metric)
            self.asked: dict[str, Any] = {}

        def set_search_properties(self, *given: Any, **more: Any) -> bool:
            """The study knows them."""
            return True

        def suggest(self, trial_id: str) -> Any:
            """The next settings; none while those that are running may be enough."""
            if tuning.is_enough(study, trials):
                return Searcher.FINISHED
            ended = len(study.get_trials(deepcopy=False, states=tuning.ENDED))
            if ended + len(self.asked) >= trials:
                return None
            self.asked[trial_id] = trial = study.ask()
            return {"settings": json.dumps({item.setting: item.suggest(trial) for item in ranges})}

        def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
            """Notes an epoch."""
            if trial_id in self.asked and not result.get("whole") and "refused" not in result:
                self.asked[trial_id].report(result[metric], result["epoch"] - 1)

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            """Notes the end."""
            trial, result = self.asked.pop(trial_id), result or {}
            if error or "refused" in result:
                trial.set_user_attr("error", result.get("refused", "a trial failed; Ray's logs say why"))
                study.tell(trial, state=TrialState.FAIL)
            elif result.get("whole"):
                study.tell(trial, result[metric])
            else:
                study.tell(trial, state=TrialState.PRUNED)
            tuning.announce(study.trials[trial.number], ranges, metric, progress)

        def __reduce__(self) -> Any:
            """Ray keeps what it could go on from, which is not this: nothing of it is kept."""
            return dict, ()

        def save(self, checkpoint_path: str) -> None:
            """The study is a file already."""

        def restore(self, checkpoint_path: str) -> None:
            """The study is a file already."""

    return Study()


def _trial(settings: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """One trial, in a process of Ray's."""
    from ray.tune import report

    metric = given["metric"]

    def watch(epoch: Epoch) -> None:
        report({metric: epoch.metrics[metric], "epoch": epoch.epoch + 1})

    try:
        base = configuration.from_dict(given["config"], "config.yaml")
        config = tuning.with_values(base, json.loads(settings["settings"]))
        with tempfile.TemporaryDirectory(dir=given["folder"], prefix=tuning.TRIAL) as place:
            run = runs.train(config, Path(place) / "run", progress=False, watch=watch)
    except InputError as error:
        report({metric: math.nan, "epoch": 0, "refused": str(error)})
        return
    value = float(run.report["splits"]["validation"][metric])
    report({metric: value, "epoch": config.training.epochs + 1, "whole": True})


# --------------------------------------------------------------------------------------------------------------- cluster


@contextmanager
def _cluster(workers: int, setting: str, *, loud: bool = False) -> Iterator[None]:
    """As long as it lasts, there is a Ray cluster with room for so many workers.

    Raises:
        InputError: Ray is not installed; no workers, or more than the cluster has room for.
    """
    try:
        import ray
        import ray.data
        import ray.train
        import ray.tune
    except ImportError:
        raise InputError('Ray is not installed; pip install "multimodal_emotion[cluster]"') from None
    if workers < 1:
        raise InputError(f"{setting} is {workers}; it must be at least 1")
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    own = not ray.is_initialized()
    if own:
        address = os.environ.get("RAY_ADDRESS")
        # Without an address Ray would join any cluster that somebody left running on this machine.
        here = {"num_cpus": workers, "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
        how = {"address": address} if address else {"address": "local", **here}
        ray.init(**how, log_to_driver=loud, logging_level=logging.ERROR)
    try:
        room = int(ray.cluster_resources().get("CPU", 0))
        if workers > room:
            raise InputError(f"{setting} is {workers}, but the Ray cluster has {room} processor(s)")
        yield
    finally:
        if own:
            ray.shutdown()
