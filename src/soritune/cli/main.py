"""`soritune`: registers the verbs, sets up logging, and turns expected failures into a sentence and an exit code."""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from soritune import processes
from soritune.cli import (
    align,
    assess,
    augment,
    baselines,
    calibrate,
    check,
    corpus,
    doctor,
    export,
    g2p,
    hub,
    layers,
    manifest_to,
    model_info,
    pack,
    predict,
    report,
    serve,
    sources,
    subset,
    synthesize,
    train,
    transcribe,
)
from soritune.cli.terminal import print_error
from soritune.cli.usage import is_bare, usage_sentence
from soritune.errors import SorituneError, reason_of
from soritune.extras import missing_library
from soritune.terminal_text import SafeFormatter, write_anything

app = typer.Typer(
    name="soritune",
    help="From a Korean speech corpus to a judged, usable model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
TRAIN, CORPUS, JUDGE = "Training", "Corpus", "Predicting and judging"
DELIVER, LOOK = "Exporting and serving", "Looking things up"
app.command("run", rich_help_panel=TRAIN)(train.run)
app.command("train", rich_help_panel=TRAIN)(train.train)
app.command("crossval", rich_help_panel=TRAIN)(train.crossval)
app.command("layers", rich_help_panel=TRAIN)(layers.layers)
app.command("demo", rich_help_panel=TRAIN)(train.demo)
app.command("prepare", rich_help_panel=CORPUS)(corpus.prepare)
app.command("check", rich_help_panel=CORPUS)(check.check)
app.command("split", rich_help_panel=CORPUS)(corpus.split)
app.command("folds", rich_help_panel=CORPUS)(corpus.folds)
app.command("subset", rich_help_panel=CORPUS)(subset.subset)
app.command("manifest-to", rich_help_panel=CORPUS)(manifest_to.manifest_to)
app.command("pack", rich_help_panel=CORPUS)(pack.pack)
app.command("synthesize", rich_help_panel=CORPUS)(synthesize.synthesize)
app.command("transcribe", rich_help_panel=CORPUS)(transcribe.transcribe)
app.add_typer(sources.app, name="sources", rich_help_panel=CORPUS)
app.command("predict", rich_help_panel=JUDGE)(predict.predict)
app.command("assess", rich_help_panel=JUDGE)(assess.assess)
app.command("align", rich_help_panel=JUDGE)(align.align)
app.command("evaluate", rich_help_panel=JUDGE)(report.evaluate)
app.command("score", rich_help_panel=JUDGE)(report.score)
app.command("report", rich_help_panel=JUDGE)(report.report)
app.command("calibrate", rich_help_panel=JUDGE)(calibrate.calibrate)
app.command("compare", rich_help_panel=JUDGE)(report.compare)
app.command("baselines", rich_help_panel=JUDGE)(baselines.baselines)
export.app.command("hub")(hub.export_hub)
app.add_typer(export.app, name="export", rich_help_panel=DELIVER)
app.command("push-to-hub", rich_help_panel=DELIVER)(hub.push_to_hub)
app.command("serve", rich_help_panel=DELIVER)(serve.serve)
app.command("augment", rich_help_panel=LOOK)(augment.augment)
app.command("recipes", rich_help_panel=LOOK)(train.recipes)
app.command("model-info", rich_help_panel=LOOK)(model_info.model_info)
app.command("g2p", rich_help_panel=LOOK)(g2p.g2p)
app.command("doctor", rich_help_panel=LOOK)(doctor.doctor)

LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR"]
SPIN_COUNT = "10000"
"""How long threads of torch's CPU build (GNU OpenMP) look for work before they sleep. To sleep at once, or to wake late
on a core that another program is using, can double the time of a training step. Read when torch is loaded."""
OBJECTS_PER_COLLECTION = 20_000
"""How many new objects start a garbage collection. The libraries make millions when they are imported, none of them
garbage: with Python's 700, collections take a fifth of the processor time of `predict` on one clip."""
SHARED = ("run", "train", "crossval")
"""Verbs whose work several processes share."""
INFERENCE = ("predict", "assess", "align")
"""Verbs that use a model and never train one."""
_OWN_PROCESS = object()
"""Given to the verbs by `main`, when the process ends with the verb."""


def _show_version(requested: bool) -> None:
    if requested:
        from soritune import __version__

        sys.stdout.write(f"soritune {__version__}\n")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    log_level: Annotated[
        LogLevel, typer.Option(help="How much is logged, to the file where one is given.")
    ] = "WARNING",
    log_file: Annotated[Path | None, typer.Option(help="Write the log to this file too.")] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    processes.refuse_single_process_launch()
    if processes.count() > 1 and context.invoked_subcommand not in SHARED:
        raise SorituneError(
            f"`soritune {context.invoked_subcommand}` runs in one process, and {processes.count()} were started; only "
            f"{', '.join(SHARED)} share their work, start this one without torchrun or accelerate launch"
        )
    if context.obj is _OWN_PROCESS and context.invoked_subcommand in INFERENCE:
        from soritune.models.transformers_import import infer_only

        infer_only()
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if not processes.is_main():  # the terminal is that of the first; each process reports its own failure
        handlers[0].setLevel(logging.ERROR)
        log_file = log_file and log_file.with_stem(f"{log_file.stem}-process-{processes.rank()}")
    if log_file is not None:
        # The terminal has its own lines; the file gets the rest.
        handlers[0].setLevel(max(handlers[0].level, logging.WARNING))
        try:
            handlers.append(logging.FileHandler(log_file, encoding="utf-8"))
        except OSError as error:
            raise SorituneError(f"the log file {log_file} cannot be written ({reason_of(error)})") from None
    for handler in handlers:
        handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=handlers)
    logging.getLogger("soritune").setLevel(log_level)


def _report_once(fault: BaseException, report: Callable[[], None]) -> None:
    """Calls `report` on one of the processes that stop for the same reason."""
    if processes.count() == 1:
        report()
        return
    from soritune.training.process_group import report_once

    # The launcher ends the other processes when the first one exits, and one of those may have to report.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    report_once(fault, report)


_OUTPUT_ERRORS = (errno.ENOSPC, errno.EIO, errno.EBADF, errno.EFBIG, errno.ENXIO)
"""Of a standard output that takes nothing more, such as a full disk or a terminal that was closed."""


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 done but some items failed, 2 could not be done, 130 interrupted."""
    write_anything(sys.stdout, sys.stderr)
    gc.set_threshold(OBJECTS_PER_COLLECTION, 10, 10)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    try:
        code = app(standalone_mode=False, obj=_OWN_PROCESS)
        sys.stdout.flush()
    except SorituneError as error:
        logging.getLogger("soritune").debug("traceback", exc_info=True)
        _report_once(error, partial(print_error, f"error: {error}"))
        code = error.exit_code
    except ModuleNotFoundError as error:
        missing = missing_library(error)
        if missing is None:
            raise
        # Without torch, several processes cannot agree on which one reports it.
        print_error(f"error: {missing}")
        code = missing.exit_code
    except typer.TyperException as error:  # wrong verb or option
        if not is_bare(error):
            print_error(f"error: {usage_sentence(error)}")
        code = 2
    except (typer.Abort, KeyboardInterrupt) as stop:
        _report_once(stop, partial(print_error, "interrupted", style=None))
        code = 130
    except BrokenPipeError:  # `soritune … | head`
        _discard_output()
        code = 0
    except OSError as error:
        code = 2
        if error.filename is not None:
            logging.getLogger("soritune").debug("traceback", exc_info=True)
            _report_once(error, partial(print_error, f"error: {_file_sentence(error)}"))
        elif error.errno in _OUTPUT_ERRORS and _output_fails():
            print_error(f"error: the output cannot be written ({reason_of(error)})")
            _discard_output()
        else:
            raise
    sys.exit(code if isinstance(code, int) else 0)


def _file_sentence(error: OSError) -> str:
    """Of a file or folder that no verb checked."""
    path = error.filename
    name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else path
    return f"{name} cannot be used ({reason_of(error)}); check the path, or give another one"


def _output_fails() -> bool:
    """Whether standard output, and not another file, takes nothing more; writes a line end to it if it does."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        return True
    return False


def _discard_output() -> None:
    """Lets the interpreter end without a second error about what standard output did not take."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
