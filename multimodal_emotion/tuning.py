"""Search: the settings of a configuration that score best on validation, found by Optuna; a study goes on after a kill."""

import fcntl
import json
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState

from multimodal_emotion import config as configuration
from multimodal_emotion import runs
from multimodal_emotion.config import Config
from multimodal_emotion.errors import InputError
from multimodal_emotion.files import atomic_path, write_text
from multimodal_emotion.training import Epoch

STUDY, PLAN, BEST, TABLE = "study.db", "plan.json", "best.yaml", "trials.csv"
TRIAL = ".trial-"
"""How the name of a trial's folder begins; it goes when the trial ends."""
ENDED = (TrialState.COMPLETE, TrialState.PRUNED)
Work = Callable[[Path, Config, list["Search"], int, int, str, bool], None]
"""Runs trials of the study in a folder until enough have ended; see `_work`."""
EXAMPLE = "training.learning_rate=1e-5..3e-4,log or training.batch_size=[16, 32]"


@dataclass(frozen=True, slots=True)
class Search:
    """One setting that is searched.

    Attributes:
        setting: its path in the configuration, such as "training.learning_rate".
        low, high: the ends of a range, both allowed; whole numbers give a range of whole numbers.
        log: whether the logarithm is searched evenly.
        choices: what it may be, in place of a range: values as in YAML.
    """

    setting: str
    low: float | int = 0
    high: float | int = 0
    log: bool = False
    choices: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Search":
        """Reads "A.B=LOW..HIGH", "A.B=LOW..HIGH,log" or "A.B=[X, Y]".

        Raises:
            InputError: it is none of these, or the range is empty.
        """
        setting, equals, values = text.partition("=")
        low, dots, rest = values.partition("..")
        if not equals:
            raise InputError(f"--search {text}: write {EXAMPLE}")
        try:
            if not dots:
                return cls(setting.strip(), choices=_choices(yaml.safe_load(values)))
            high, comma, scale = rest.partition(",")
            found = cls(setting.strip(), _number(low), _number(high), log=bool(comma))
            if found.low >= found.high or (comma and scale.strip() != "log") or (found.log and found.low <= 0):
                raise ValueError
        except (ValueError, yaml.YAMLError):
            raise InputError(
                f"--search {text}: neither a range (low..high, above 0 for log) nor a list; write {EXAMPLE}"
            ) from None
        return found

    def ends(self) -> list[Any]:
        """Values that must be possible, if all are."""
        return list(self.choices) or [self.low, self.high]

    def suggest(self, trial: optuna.Trial) -> Any:
        """The value that a trial is to have."""
        if self.choices:
            # Optuna stores choices of plain types only; ours may be mappings.
            return self.choices[trial.suggest_categorical(self.setting, list(range(len(self.choices))))]
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(self.setting, self.low, self.high, log=self.log)
        return trial.suggest_float(self.setting, self.low, self.high, log=self.log)

    def chosen(self, stored: Any) -> Any:
        """The value, from what Optuna stores of it."""
        return self.choices[stored] if self.choices else stored


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes:
        folder: of the study.
        metric: what was compared, on validation.
        value: the best of it.
        config: the configuration that reached it; the same as best.yaml in the folder.
        settings: what of it was searched.
        trials: how many trials ended, and how many of them were given up before their end.
    """

    folder: Path
    metric: str
    value: float
    config: Config
    settings: Mapping[str, Any]
    trials: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        best = {"metric": self.metric, "value": self.value, "settings": dict(self.settings)}
        return {"folder": str(self.folder), **best, "trials": dict(self.trials)}

    def __str__(self) -> str:
        shown = "\n".join(f"  {name} = {json.dumps(value)}" for name, value in self.settings.items())
        return (
            f"best of {self.trials['ended']} trials ({self.trials['pruned']} given up early): "
            f"validation {self.metric} {self.value:.4f}\n{shown}\nconfiguration: {self.folder / BEST}"
        )


def tune(
    config: Config,
    search: Sequence[str],
    output: str | Path,
    *,
    trials: int = 20,
    jobs: int = 1,
    progress: bool = True,
    work: "Work | None" = None,
) -> Tuned:
    """Searches settings for the best primary metric on validation; the test split is never read.

    Trials are suggested by the tree-structured Parzen estimator, and given up where they stay behind the median of the others
    after an epoch. The folder keeps the study (`study.db`), a table of the trials and the best configuration, which `train`
    takes and which gives the same score again; no weights are kept. Called again with the same settings and more trials (or
    after a kill), the study goes on.

    Args:
        config: of every trial, but for what is searched.
        search: see `Search.parse`.
        output: folder of the study.
        trials: how many are to have ended, those of former calls included.
        jobs: trials at a time, each in a process of its own.
        progress: whether to say on standard error how each trial ended.
        work: runs the trials, in place of processes of this machine.

    Raises:
        InputError: a setting that does not exist or does not fit; a folder with something else in it, or in use; no trial
            could be trained.

    Source: Optuna: A Next-generation Hyperparameter Optimization Framework, 2019, arXiv 1907.10902.
    """
    ranges = [Search.parse(text) for text in search]
    if not ranges:
        raise InputError(f"nothing to search: give --search {EXAMPLE}")
    for count, name in ((trials, "trials"), (jobs, "jobs")):
        if count < 1:
            raise InputError(f"{name} is {count}; it must be at least 1")
    for item in ranges:
        for value in item.ends():
            with_values(config, {item.setting: value})
    task = runs.task_for(config, runs.read_splits(config).corpus)
    folder = Path(output)
    plan = {"config": config.to_dict(), "search": list(search)}
    _begin(folder, json.loads(json.dumps(plan)))
    with _alone(folder):
        for left in folder.glob(f"{TRIAL}*"):
            shutil.rmtree(left)
        study = optuna.create_study(
            storage=_storage(folder),
            study_name="study",
            direction="maximize" if task.higher_is_better else "minimize",
            load_if_exists=True,
        )
        _retry_killed(study)
        (work or _work)(folder, config, ranges, trials, jobs, task.primary_metric, progress)
        return _finish(folder, study, config, ranges, task.primary_metric)


def _work(
    folder: Path, config: Config, ranges: list[Search], trials: int, jobs: int, metric: str, progress: bool
) -> None:
    """Runs trials until enough have ended."""
    if jobs == 1:
        _trials(folder, config, ranges, trials, 0, metric, progress)
        return
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=_trials, args=(folder, config, ranges, trials, number, metric, progress))
        for number in range(jobs)
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    finally:
        for worker in workers:
            worker.terminate()


def _trials(
    folder: Path, config: Config, ranges: list[Search], trials: int, worker: int, metric: str, progress: bool
) -> None:
    """Trials one after the other, in this process."""
    study = open_study(folder, config.seed + 1000 * worker)

    def say(study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        announce(trial, ranges, metric, progress)
        if is_enough(study, trials):
            study.stop()

    if not is_enough(study, trials):
        study.optimize(_objective(folder, config, ranges, metric), callbacks=[say], catch=(InputError,))


def open_study(folder: Path, seed: int) -> optuna.Study:
    """The study in a folder, to ask for trials."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known = optuna.load_study(storage=_storage(folder), study_name="study")
    return optuna.load_study(
        storage=_storage(folder),
        study_name="study",
        # A study that goes on must not draw the numbers of its beginning again.
        sampler=optuna.samplers.TPESampler(seed=seed + len(known.trials)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=0),
    )


def is_enough(study: optuna.Study, trials: int) -> bool:
    """Whether so many trials have ended, or more than that were refused."""
    failed = study.get_trials(deepcopy=False, states=(TrialState.FAIL,))
    refused = [item for item in failed if "error" in item.user_attrs]
    return len(study.get_trials(deepcopy=False, states=ENDED)) >= trials or len(refused) > trials


def announce(trial: optuna.trial.FrozenTrial, ranges: Sequence[Search], metric: str, progress: bool) -> None:
    """Says on standard error how a trial ended."""
    if progress:
        ended = {TrialState.COMPLETE: f"{metric} {trial.value:.4f}" if trial.value is not None else ""}
        ended |= {TrialState.PRUNED: "given up", TrialState.FAIL: trial.user_attrs.get("error", "failed")}
        chosen = ", ".join(f"{item.setting}={item.chosen(trial.params[item.setting])}" for item in ranges)
        print(f"trial {trial.number}: {ended[trial.state]} ({chosen})", file=sys.stderr, flush=True)


def _objective(folder: Path, config: Config, ranges: Sequence[Search], metric: str) -> Callable[[optuna.Trial], float]:
    def objective(trial: optuna.Trial) -> float:
        def watch(epoch: Epoch) -> None:
            trial.report(epoch.metrics[metric], epoch.epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            own = with_values(config, {item.setting: item.suggest(trial) for item in ranges})
            with tempfile.TemporaryDirectory(dir=folder, prefix=TRIAL) as place:
                run = runs.train(own, Path(place) / "run", progress=False, watch=watch)
        except InputError as error:
            trial.set_user_attr("error", str(error))
            raise
        return float(run.report["splits"]["validation"][metric])

    return objective


def _finish(folder: Path, study: optuna.Study, config: Config, ranges: Sequence[Search], metric: str) -> Tuned:
    """Writes the table and the best configuration."""
    done = study.get_trials(deepcopy=False, states=ENDED)
    finite = [trial for trial in done if trial.state == TrialState.COMPLETE]
    if not finite:
        errors = {trial.user_attrs["error"] for trial in study.trials if "error" in trial.user_attrs}
        raise InputError(f"no trial could be trained: {next(iter(errors), 'all were given up')}")
    with atomic_path(folder / TABLE) as place:
        study.trials_dataframe(("number", "value", "params", "state", "duration")).to_csv(place, index=False)
    best = study.best_trial
    settings = {item.setting: item.chosen(best.params[item.setting]) for item in ranges}
    winner = with_values(config, settings)
    note = f"# validation {metric} {best.value}, the best of {len(done)} trials\n"
    write_text(folder / BEST, note + winner.to_yaml())
    counts = {"ended": len(done), "pruned": len(done) - len(finite)}
    return Tuned(folder, metric, float(best.value or 0.0), winner, settings, counts)


def _begin(folder: Path, plan: dict[str, Any]) -> None:
    """Writes down what is searched, or finds the same there."""
    if not (folder / PLAN).is_file():
        runs.refuse_used(folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / PLAN, json.dumps(plan, indent=1) + "\n")
    elif json.loads((folder / PLAN).read_text(encoding="utf-8")) != plan:
        raise InputError(f"{folder} holds a study of another configuration or search; give another --output")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps other processes from the study; the lock goes with this process, however it ends."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder}: another process works on this study; --jobs runs trials in parallel") from None
        yield


def _retry_killed(study: optuna.Study) -> None:
    """Trials that were running when the study was killed are tried again."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        study.enqueue_trial(trial.params)


def _storage(folder: Path) -> optuna.storages.RDBStorage:
    """SQLite waits for other writers rather than failing."""
    return optuna.storages.RDBStorage(
        f"sqlite:///{(folder / STUDY).resolve()}", engine_kwargs={"connect_args": {"timeout": 60}}
    )


def with_values(config: Config, values: Mapping[str, Any]) -> Config:
    return configuration.with_settings(config, [f"{name}={json.dumps(value)}" for name, value in values.items()])


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _choices(values: Any) -> tuple[Any, ...]:
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError
    return tuple(values)
