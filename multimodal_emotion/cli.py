"""The command line: one verb for each thing people do. Nothing heavy is imported before a verb needs it."""

import argparse
import errno
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from multimodal_emotion import __version__
from multimodal_emotion.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code is 0, 2 for bad input (one or two lines on standard error), 130 when interrupted."""
    arguments = _parser().parse_args(argv)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if arguments.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except InputError as error:
        return _complain(error, arguments.debug)
    except BrokenPipeError:
        # The reader of our output has gone (`... | head`): not an error. Python must not flush into it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno not in (
            errno.ENOSPC,
            errno.EACCES,
            errno.EROFS,
            errno.ENOENT,
            errno.EISDIR,
            errno.ENOTDIR,
            errno.EDQUOT,
        ):
            raise
        place = f"{error.filename}: " if error.filename else ""
        return _complain(InputError(f"{place}{error.strerror or error}"), arguments.debug)
    except KeyboardInterrupt:
        print(
            "interrupted; `train --resume RUN` and the same `annotate`, `extract` or `tune` again go on",
            file=sys.stderr,
        )
        return 128 + signal.SIGINT
    return 0


def _complain(error: Exception, debug: bool) -> int:
    if debug:
        raise error
    print(f"multimodal-emotion: {error}", file=sys.stderr)
    return 2


# ---------------------------------------------------------------------------------------------------------------- verbs


def train(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import runs

    if arguments.resume:
        run = runs.resume(arguments.resume, progress=not arguments.quiet)
    else:
        if not arguments.output:
            raise InputError("train needs --output RUN (a new folder), or --resume RUN")
        if arguments.folds:
            from multimodal_emotion.crossvalidation import cross_validate

            report = cross_validate(
                _config(arguments),
                arguments.folds,
                arguments.output,
                subsets=arguments.subsets,
                progress=not arguments.quiet,
            )
            _show_report(report, arguments.json)
            return
        if arguments.subsets:
            raise InputError("train --subsets goes with --folds; a run is scored by `evaluate RUN --subsets`")
        if arguments.engine == "ray":
            from multimodal_emotion import cluster

            run = cluster.train(_config(arguments), arguments.output, progress=not arguments.quiet)
        else:
            run = runs.train(_config(arguments), arguments.output, progress=not arguments.quiet)
    if os.environ.get("RANK", "0") == "0":  # of the processes that torchrun starts, the first speaks
        _show_report(run.report, arguments.json)
        print(f"run: {run.folder}", file=sys.stderr)


def tune(arguments: argparse.Namespace) -> None:
    if arguments.engine == "ray":
        from multimodal_emotion.cluster import tune as search
    else:
        from multimodal_emotion.tuning import tune as search

    found = search(
        _config(arguments),
        arguments.search,
        arguments.output,
        trials=arguments.trials,
        jobs=arguments.jobs,
        progress=not arguments.quiet,
    )
    print(json.dumps(found.to_dict()) if arguments.json else found)


def extract(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import cluster, feature_files

    done = (cluster if arguments.engine == "ray" else feature_files).extract(
        arguments.corpus,
        arguments.root,
        output=arguments.output,
        inputs=arguments.inputs,
        splits=arguments.split and arguments.split.split(","),
        preset=arguments.preset,
        encoders=arguments.encoders,
        modalities=arguments.modalities and arguments.modalities.split(","),
        level=arguments.level,
        options=_corpus_options(arguments),
        workers=arguments.workers if arguments.workers is not None else (2 if arguments.engine == "ray" else 0),
        on_error=arguments.on_error or "raise",
        progress=not arguments.quiet,
    )
    print(json.dumps(done.to_dict(), ensure_ascii=False) if arguments.json else done)


def pretrain(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import prediction, presets
    from multimodal_emotion.corpora import load_corpus
    from multimodal_emotion.pretraining import pretrain as pretrain_on

    if bool(arguments.inputs) == bool(arguments.corpus):
        raise InputError("pretrain needs either INPUTs (.txt, .csv, a folder of recordings) or --corpus NAME")
    if arguments.corpus:
        corpus = load_corpus(arguments.corpus, arguments.root, level=arguments.level, **_corpus_options(arguments))
        utterances = list(corpus.utterances("train"))
    else:
        utterances = list(prediction.sources(arguments.inputs, arguments.column))
    encoders = presets.parse_encoders([arguments.encoders])
    if len(encoders) != 1:
        raise InputError(f"--encoders {arguments.encoders}: pretrain trains one encoder at a time")
    (encoder,) = encoders.values()
    report = pretrain_on(
        utterances,
        encoder,
        arguments.output,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        progress=not arguments.quiet,
    )
    held = report["held_out"]
    summary = f"{report['utterances']} utterances; loss on {held['n']} held-out ones {held['before']:.3f} -> {held['after']:.3f}"
    print(json.dumps(report) if arguments.json else summary)


def evaluate(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import runs

    report = runs.evaluate(
        arguments.model,
        arguments.corpus,
        arguments.root,
        split=arguments.split,
        level=arguments.level,
        options=_corpus_options(arguments),
        limit=arguments.limit,
        output=arguments.output,
        precision=arguments.precision,
        workers=arguments.workers,
        modalities=arguments.modalities and arguments.modalities.split(","),
        on_error=arguments.on_error or "raise",
        every_subset=arguments.subsets,
        attack=arguments.attack,
        progress=not arguments.quiet,
    )
    _show_report(report, arguments.json)


def merge(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import checkpoint, runs

    runs.refuse_used(Path(arguments.output))
    base = dict(_pair(text, "--base", "text=DIR") for text in arguments.base)
    checkpoint.save(checkpoint.merge(checkpoint.load(arguments.model, base=base)), arguments.output)


def compare(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import comparison

    found = comparison.compare(arguments.runs, split=arguments.split)
    print(json.dumps(found) if arguments.json else comparison.render(found))


def baseline(arguments: argparse.Namespace) -> None:
    from multimodal_emotion.baseline import baseline as run_baseline

    run = run_baseline(
        arguments.corpus,
        arguments.root,
        checkpoint=arguments.checkpoint,
        level=arguments.level,
        options=_corpus_options(arguments),
        epochs=arguments.epochs,
        limit=arguments.limit,
        seed=arguments.seed,
        output=arguments.output,
        progress=not arguments.quiet,
    )
    if arguments.json:
        print(json.dumps(run.report))


def corpora(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import corpora as listing

    if arguments.name is None:
        listing.show_catalogue(as_json=arguments.json)
    elif arguments.root is None:
        listing.show_card(arguments.name, as_json=arguments.json)
    else:
        listing.show_corpus(
            arguments.name, arguments.root, arguments.level, _corpus_options(arguments), as_json=arguments.json
        )


def predict(arguments: argparse.Namespace) -> None:
    from multimodal_emotion import prediction
    from multimodal_emotion.batch import Utterance

    parts = {name: getattr(arguments, name) for name in ("text", "audio", "image")}
    if not arguments.inputs and not any(parts.values()):
        raise InputError('predict needs an INPUT (a sentence, a file, a folder, "-"), or --text, --audio, --image')
    outputs = [*arguments.output, *_report_page(arguments.report)]
    trained = _loaded(arguments.model)
    utterances = prediction.sources(arguments.inputs, arguments.column) if arguments.inputs else [Utterance(id="0")]
    found = prediction.predict_utterances(
        trained,
        (prediction.with_parts(utterance, **parts) for utterance in utterances),
        window=arguments.window,
        hop=arguments.hop,
        transcribe=_transcriber(arguments),
        batch_size=arguments.batch_size,
        precision=arguments.precision,
        on_error="skip" if len(arguments.inputs) != 1 else "raise",
    )
    prediction.write(_progress(found, arguments.quiet), outputs, arguments.json, arguments.threshold)
    for path in outputs if not arguments.quiet else ():
        print(f"written: {path}", file=sys.stderr)


def annotate(arguments: argparse.Namespace) -> None:
    from multimodal_emotion.annotation import annotate as label_all

    summary = label_all(
        arguments.model,
        arguments.input,
        arguments.output,
        columns=dict(_pair(text, "--columns", "text=Tweet") for text in arguments.columns or ()) or None,
        prefix=arguments.prefix,
        threshold=arguments.threshold,
        transcribe=_transcriber(arguments),
        rows_per_part=arguments.rows_per_part,
        batch_size=arguments.batch_size,
        precision=arguments.precision,
        progress=not arguments.quiet,
    )
    print(json.dumps(summary.to_dict(), ensure_ascii=False) if arguments.json else summary)


def app(arguments: argparse.Namespace) -> None:
    from multimodal_emotion.app import serve

    serve(
        _loaded(arguments.model),
        host=arguments.host,
        port=arguments.port,
        threshold=arguments.threshold,
        transcribe=_transcriber(arguments),
        largest=arguments.largest * 2**20,
        browse=arguments.open,
    )


def demo(arguments: argparse.Namespace) -> None:
    from multimodal_emotion.demo import demo as run_demo

    run_demo(arguments.output, seed=arguments.seed, progress=not arguments.quiet)


# -------------------------------------------------------------------------------------------------------------- helpers


def _transcriber(arguments: argparse.Namespace) -> str | None:
    """The recogniser that a command uses: the one asked for; else the packaged one where the model is the packaged one."""
    if arguments.no_transcribe:
        return None
    return arguments.transcribe or ("embedded" if arguments.model == "pretrained" else None)


def _loaded(model: str) -> Any:
    from multimodal_emotion.shipped import opened

    return opened(model)


def _report_page(path: str | None) -> list[str]:
    if path is not None and not path.endswith(".html"):
        raise InputError(f"--report {path}: a report is a page; name it .html")
    return [] if path is None else [path]


def _config(arguments: argparse.Namespace) -> Any:
    """The configuration that a command names: the file, then the flags, then --set, the later the stronger."""
    from multimodal_emotion import api
    from multimodal_emotion import config as configuration

    if arguments.config is None and arguments.corpus is None:
        raise InputError(f"{arguments.verb} needs a CONFIG.yaml or --corpus NAME")
    return api.assemble(
        configuration.read(arguments.config) if arguments.config else configuration.Config(),
        corpus=arguments.corpus,
        root=arguments.root,
        preset=arguments.preset,
        encoders=arguments.encoders,
        fusion=arguments.fusion,
        modalities=arguments.modalities.split(",") if arguments.modalities else None,
        task=arguments.task,
        level=arguments.level,
        context=arguments.context,
        epochs=arguments.epochs,
        limit=arguments.limit,
        seed=arguments.seed,
        initial=arguments.initial,
        options=_corpus_options(arguments),
        settings=[*([f"corpus.on_error={arguments.on_error}"] if arguments.on_error else []), *arguments.set],
    )


def _corpus_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings of a corpus from --columns, --split-by and --option."""
    import yaml

    options: dict[str, Any] = {}
    if arguments.columns:
        options["columns"] = dict(_pair(text, "--columns", "text=Tweet label=Affect") for text in arguments.columns)
    if arguments.split_by:
        options["split_by"] = arguments.split_by
    for text in arguments.option:
        name, value = _pair(text, "--option", "votes=true")
        options[name] = yaml.safe_load(value)
    return options


def _pair(text: str, flag: str, example: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"{flag} {text}: write NAME=VALUE, such as {flag} {example}")
    return name, value


def _progress(items: Any, quiet: bool) -> Any:
    """The same items, counted on a terminal's standard error."""
    from tqdm import tqdm

    # An iterator, since a bar whose length is unknown raises when it is asked for it.
    return iter(tqdm(items, unit=" utterances", leave=False, disable=quiet or not sys.stderr.isatty()))


def _show_report(report: dict[str, Any], as_json: bool) -> None:
    from multimodal_emotion.evaluation import render

    print(json.dumps(report) if as_json else render(report))


# --------------------------------------------------------------------------------------------------------------- parser


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="multimodal-emotion",
        description="Fine-tune pretrained text, audio and image encoders to understand emotion; use and evaluate them.",
        epilog='COMMAND --help has an example. The shortest:\n  multimodal-emotion predict "I did not expect that at all!"',
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    verb = _verb(verbs, "train", train, "fine-tune on a corpus; never reads its test split", _TRAIN_EXAMPLE)
    _config_flags(verb)
    verb.add_argument(
        "--folds", metavar="COLUMN", help="cross-validate: speaker, dialogue, or a fold column of the corpus"
    )
    verb.add_argument("--subsets", action="store_true", help="score every subset of the modalities too")
    _engine_flag(verb, "training.devices processes under Ray Train")
    verb.add_argument("--output", metavar="RUN", help="a new folder")
    verb.add_argument("--resume", metavar="RUN", help="continue a training that was stopped")

    verb = _verb(
        verbs, "tune", tune, "search settings for the best score on validation; killed, it goes on", _TUNE_EXAMPLE
    )
    _config_flags(verb)
    verb.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="A.B=LOW..HIGH",
        help="a range (with ,log), or a list: A.B=[X, Y]",
    )
    verb.add_argument(
        "--trials", type=int, default=20, metavar="N", help="how many are to have ended, earlier calls included (20)"
    )
    verb.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="trials at a time; OMP_NUM_THREADS shares the cores"
    )
    _engine_flag(verb, "trials under Ray Tune")
    verb.add_argument("--output", metavar="STUDY", required=True, help="a new folder, or that of a study to go on with")

    verb = _verb(
        verbs, "extract", extract, "write features of frozen encoders to files; killed, it goes on", _EXTRACT_EXAMPLE
    )
    verb.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="in place of a corpus: media files, folders, sentences"
    )
    _corpus_flags(verb, required=False)
    verb.add_argument("--split", metavar="NAMES", help="such as train,test; by default train,validation")
    _encoder_flags(verb)
    _error_flag(verb)
    _engine_flag(verb, "actors of Ray Data")
    verb.add_argument("--workers", type=int, metavar="N", help="processes that decode (0), or actors (2)")
    verb.add_argument("--output", metavar="DIR", required=True, help="a new folder")

    verb = _verb(verbs, "pretrain", pretrain, "train an encoder further on unlabelled text or sound", _PRETRAIN_EXAMPLE)
    verb.add_argument("inputs", nargs="*", metavar="INPUT", help="a .txt (a text in each line), .csv, or folder")
    _corpus_flags(verb, required=False)
    verb.add_argument("--column", default="text", help="the column of a .csv that holds the text")
    verb.add_argument(
        "--encoders",
        default="text=bert:embedded",
        metavar="NAME=TYPE:CHECKPOINT",
        help="one bert or wav2vec2 (text=bert:embedded)",
    )
    verb.add_argument("--epochs", type=int, default=1, metavar="N", help="passes over the texts or recordings (1)")
    verb.add_argument("--batch-size", type=int, default=32, metavar="N", help="of them in a step (32)")
    verb.add_argument("--learning-rate", type=float, default=5e-5, metavar="RATE", help="the highest (5e-5)")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (0)")
    verb.add_argument("--output", metavar="DIR", required=True, help="a new folder: a checkpoint for --encoders")

    verb = _verb(verbs, "evaluate", evaluate, "score a trained model on a split of a corpus", _EVALUATE_EXAMPLE)
    verb.add_argument("model", metavar="RUN", help="a run or a model folder")
    _corpus_flags(verb, required=True)
    verb.add_argument("--split", default="test", choices=("train", "validation", "test"), help="which one (test)")
    verb.add_argument("--modalities", metavar="NAMES", help="use these only, such as audio,text")
    _error_flag(verb)
    verb.add_argument("--subsets", action="store_true", help="score every subset of the modalities too")
    verb.add_argument(
        "--attack",
        action="append",
        default=[],
        metavar="NAME:SETTING=VALUE",
        help="score it under an attack too, such as fgm:epsilon=0.1 or pgd:epsilon=0.1,steps=5",
    )
    verb.add_argument("--limit", type=int, metavar="N", help="score only so many utterances")
    _precision_flag(verb)
    verb.add_argument("--workers", type=int, default=0, metavar="N", help="processes that decode (0: this one)")
    verb.add_argument("--output", metavar="DIR", help="where report.json, predictions and pictures go")

    verb = _verb(
        verbs,
        "merge",
        merge,
        "fold LoRA and AdaLoRA into the weights; outputs stay equal but for rounding",
        _MERGE_EXAMPLE,
    )
    verb.add_argument("model", metavar="RUN", help="a run, a model folder, or a run's adapter folder")
    verb.add_argument(
        "--base", action="append", default=[], metavar="NAME=CHECKPOINT", help="of an adapter, where that is a folder"
    )
    verb.add_argument("--output", metavar="DIR", required=True, help="a new model folder")

    verb = _verb(
        verbs, "compare", compare, "runs beside each other, with what is chance between them", _COMPARE_EXAMPLE
    )
    verb.add_argument("runs", nargs="+", metavar="RUN", help="run folders; the others are compared with the first")
    verb.add_argument(
        "--split", default="validation", choices=("train", "validation", "test"), help="which one (validation)"
    )

    verb = _verb(verbs, "predict", predict, "emotion of sentences, recordings, pictures and videos", _PREDICT_EXAMPLE)
    verb.add_argument("inputs", nargs="*", metavar="INPUT", help="a sentence, a .txt, .csv, media file, folder, or - ")
    _model_flags(verb)
    verb.add_argument("--output", metavar="FILE", action="append", default=[], help=".csv, .jsonl, .srt, .png or .html")
    verb.add_argument(
        "--report", metavar="FILE.html", help="a page with everything in it: player, timeline, words, faces"
    )
    verb.add_argument("--column", default="text", help="the column of a .csv that holds the text")
    verb.add_argument("--audio", metavar="FILE", help="sound of one utterance, together with --text, --image")
    verb.add_argument("--image", metavar="FILE", help="a picture of its face")
    verb.add_argument("--text", metavar="SENTENCE|FILE.srt", help="its words, or a transcript with times")
    verb.add_argument(
        "--window", type=float, metavar="SECONDS", help="length of a window (default: windows follow speech)"
    )
    verb.add_argument("--hop", type=float, metavar="SECONDS", help="from one window to the next")
    _speed_flags(verb)

    verb = _verb(verbs, "annotate", annotate, "label a large table or folder; killed, it goes on", _ANNOTATE_EXAMPLE)
    verb.add_argument(
        "input", metavar="INPUT", help="a .csv, .tsv, .jsonl, .parquet or .txt file, or a folder with media"
    )
    _model_flags(verb)
    verb.add_argument("--output", metavar="FILE", required=True, help="a new .csv, .jsonl or .parquet file")
    verb.add_argument(
        "--columns", nargs="+", metavar="NAME=COLUMN", help="columns of a table: text=Tweet, audio=, image=, video="
    )
    verb.add_argument("--prefix", default="emotion", help="how the names of the added columns begin")
    verb.add_argument(
        "--rows-per-part", type=int, metavar="N", help="rows that a killed process loses at most (4096; 16 with media)"
    )
    _speed_flags(verb)

    verb = _verb(
        verbs, "app", app, "a page on this machine to drop files and type sentences on", _APP_EXAMPLE, json=False
    )
    _model_flags(verb)
    verb.add_argument(
        "--host", default="127.0.0.1", help="another address lets other machines in; there is no password"
    )
    verb.add_argument("--port", type=int, default=8765, help="8765; 0 takes a free one")
    verb.add_argument("--largest", type=int, default=200, metavar="MB", help="a larger upload is refused (200)")
    verb.add_argument("--open", action="store_true", help="open the page in a browser")

    verb = _verb(verbs, "baseline", baseline, "the documented BERT classifier, exactly", _BASELINE_EXAMPLE)
    _corpus_flags(verb, required=True)
    verb.add_argument("--checkpoint", default="bert-base-cased", help="a hub name, a directory, or 'embedded'")
    verb.add_argument("--epochs", type=int, default=5, metavar="N", help="passes over the training split (5)")
    verb.add_argument("--limit", type=int, metavar="N", help="use only so many utterances of each split")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of everything random (0)")
    verb.add_argument("--output", metavar="RUN", required=True, help="a new folder")

    verb = _verb(verbs, "corpora", corpora, "the corpora it knows; what a folder has of one", _CORPORA_EXAMPLE)
    verb.add_argument("name", nargs="?", metavar="NAME", help="one of them: what is known of it")
    verb.add_argument("--root", metavar="DIR", help="its folder (or, for a manifest, the file): what is there")
    verb.add_argument("--level", help="which of its label sets")
    _option_flags(verb)

    verb = _verb(
        verbs,
        "demo",
        demo,
        "the whole job on the starter corpus, offline",
        "multimodal-emotion demo --output runs/demo",
        json=False,
    )
    verb.add_argument("--output", metavar="RUN", default="runs/demo", help="a new folder (runs/demo)")
    verb.add_argument("--seed", type=int, default=0, metavar="N", help="of training and of the generated media (0)")
    return parser


def _verb(
    verbs: Any, name: str, run: Callable[[argparse.Namespace], None], about: str, example: str, *, json: bool = True
) -> Any:
    verb = verbs.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.set_defaults(run=run, verb=name)
    if json:
        verb.add_argument("--json", action="store_true", help="machine-readable output on standard output")
    verb.add_argument("--quiet", action="store_true", help="no progress")
    verb.add_argument("--debug", action="store_true", help="a traceback for every error")
    verb.add_argument("--offline", action="store_true", help="never ask the model hub")
    return verb


def _model_flags(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--model", metavar="RUN", default="pretrained", help="a run or a model folder; by default the model that ships"
    )
    verb.add_argument("--threshold", type=float, metavar="CONFIDENCE", help="below it no label is given: not sure")
    verb.add_argument(
        "--transcribe", nargs="?", const="embedded", metavar="RECOGNISER", help="make the text from the sound"
    )
    verb.add_argument(
        "--no-transcribe", action="store_true", help="do not, although the model that ships does by default"
    )


def _speed_flags(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--batch-size", type=int, default=32, metavar="N", help="utterances at a time (32)")
    _precision_flag(verb)


def _precision_flag(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--precision",
        default="auto",
        choices=("auto", "32", "bf16"),
        help="auto: bf16 where the machine is made for it",
    )


def _config_flags(verb: argparse.ArgumentParser) -> None:
    """A whole configuration: a file, flags for what is often wanted, --set for the rest."""
    verb.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="a configuration, such as a run's config.yaml")
    _corpus_flags(verb, required=False)
    _encoder_flags(verb)
    verb.add_argument("--fusion", metavar="NAME", help="a fusion, such as concat or attention")
    verb.add_argument("--task", metavar="NAME", help="in place of the corpus' own")
    verb.add_argument(
        "--from", dest="initial", metavar="RUN", help="a run or a model folder, or pretrained, to start from"
    )
    _error_flag(verb)
    verb.add_argument("--context", type=int, metavar="N", help="utterances of the dialogue read before each one")
    verb.add_argument("--epochs", type=int, metavar="N", help="passes over the training split")
    verb.add_argument("--seed", type=int, metavar="N", help="of everything random")
    verb.add_argument("--limit", type=int, metavar="N", help="use only so many training utterances")
    verb.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", help="any setting of the configuration"
    )


def _encoder_flags(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--preset", metavar="NAME", help="named encoders: embedded (packaged, offline), multilingual, base, large"
    )
    verb.add_argument(
        "--encoders", action="append", default=[], metavar="NAME=TYPE:CHECKPOINT", help="such as text=bert:DIR"
    )
    verb.add_argument("--modalities", metavar="NAMES", help="use these only, such as audio,text")


def _engine_flag(verb: argparse.ArgumentParser, ray: str) -> None:
    verb.add_argument("--engine", choices=("local", "ray"), default="local", help=f"this machine, or {ray}")


def _error_flag(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--on-error", choices=("raise", "skip"), help="what a clip that cannot be decoded does: stop (raise), or count"
    )


def _corpus_flags(verb: Any, required: bool) -> None:
    verb.add_argument("--corpus", required=required, metavar="NAME", help="see `multimodal-emotion corpora`")
    verb.add_argument("--root", metavar="DIR", help="the folder (or, for a manifest, the file) of the corpus")
    verb.add_argument("--level", help="which of the corpus' label sets")
    _option_flags(verb)


def _option_flags(verb: Any) -> None:
    verb.add_argument(
        "--columns", nargs="+", metavar="NAME=COLUMN", help="columns of a manifest: text=Tweet label=Affect"
    )
    verb.add_argument(
        "--split-by", choices=("speaker", "dialogue", "none"), help="makes splits where a manifest has none"
    )
    verb.add_argument(
        "--option", action="append", default=[], metavar="NAME=VALUE", help="a further setting of the corpus"
    )


_TRAIN_EXAMPLE = (
    "multimodal-emotion train --corpus dair_emotion --root dair_emotion --preset embedded --output runs/dair\n"
    "  multimodal-emotion train --resume runs/dair"
)
_TUNE_EXAMPLE = (
    "multimodal-emotion tune --corpus dair_emotion --root dair_emotion --preset embedded --limit 2000 --epochs 3 \\\n"
    "    --search training.learning_rate=1e-5..3e-4,log --search 'training.batch_size=[16, 32]' --output studies/dair\n"
    "  multimodal-emotion train studies/dair/best.yaml --output runs/dair"
)
_EXTRACT_EXAMPLE = (
    "multimodal-emotion extract --corpus ravdess --root RAVDESS --preset embedded --modalities audio --output features\n"
    "  multimodal-emotion train features/train.yaml --output runs/features\n"
    "  multimodal-emotion extract recordings --encoders audio=whisper:embedded --engine ray --workers 2 --output features"
)
_PRETRAIN_EXAMPLE = (
    "multimodal-emotion pretrain tweets.txt --encoders text=bert:embedded --output tweets-minilm\n"
    "  multimodal-emotion train --corpus dair_emotion --root dair_emotion --encoders text=bert:tweets-minilm --output runs/dair"
)
_EVALUATE_EXAMPLE = (
    "multimodal-emotion evaluate runs/dair --corpus dair_emotion --root dair_emotion --split test --output out"
)
_MERGE_EXAMPLE = "multimodal-emotion merge runs/lora --output runs/lora/merged"
_COMPARE_EXAMPLE = "multimodal-emotion compare runs/concat runs/gated runs/late"
_PREDICT_EXAMPLE = (
    'multimodal-emotion predict "I did not expect that at all!"\n'
    "  multimodal-emotion predict clip.mp4 --report clip.html\n"
    "  multimodal-emotion predict clip.mp4 --model runs/videos --output clip.srt --output clip.png"
)
_ANNOTATE_EXAMPLE = (
    "multimodal-emotion annotate tweets.csv --columns text=Tweet --output labelled.parquet\n"
    "  multimodal-emotion annotate recordings --model runs/videos --output labelled.csv"
)
_APP_EXAMPLE = "multimodal-emotion app --open"
_BASELINE_EXAMPLE = (
    "multimodal-emotion baseline --corpus sst2 --root SST-2 --checkpoint embedded --output runs/baseline"
)
_CORPORA_EXAMPLE = "multimodal-emotion corpora meld --root MELD"

if __name__ == "__main__":
    sys.exit(main())
