"""The composition root of a worker process: settings -> clients -> a task -> run."""

import gc
import importlib
import threading
from collections.abc import Callable
from typing import NoReturn

from prometheus_client import CollectorRegistry

from zonepulse.schemas.messages.tasks import Task
from zonepulse.schemas.messages.topics import COMMANDS
from zonepulse.streams.control.command_log import CommandLog
from zonepulse.streams.control.outfit import Outfit
from zonepulse.streams.health.probes import Probes
from zonepulse.streams.health.starts import note_start
from zonepulse.streams.kafka.app import build_app, run_worker
from zonepulse.streams.metrics import Metrics
from zonepulse.streams.settings import Settings
from zonepulse.streams.workers.memory import keep_freed_memory


def run(task: Task, settings: Settings) -> NoReturn:
    """Run one task until a signal. Workers of equal task and topic prefix share the work."""
    gc.disable()  # what a start makes is there to stay
    start: Callable[[Outfit], None] = importlib.import_module(f"zonepulse.streams.{task.module}").start
    keep_freed_memory()
    app = build_app(settings, task.name)
    started = (settings.broker, settings.topic_prefix, task.name, settings.instance)
    threading.Thread(target=note_start, args=started, name="starts", daemon=True).start()
    metrics, probes = Metrics(CollectorRegistry()), Probes(settings.stall_s)
    metrics.serve(settings.metrics_port, settings.metrics_host, probes.answers)
    metrics.process_step("process")
    if task.has_kernels:
        from zonepulse.streams.kernels.warm_up import warm_up  # imports all kernels; other tasks do without

        with metrics.start_step("kernels"):
            warm_up()
    commands = CommandLog.of(settings.broker, settings.topic_prefix)
    commands.follow(app, settings.broker, metrics.records_lost.labels(COMMANDS.name).inc)
    start(Outfit(app, settings, metrics, commands))
    probes.watch(app)
    metrics.process_step("ready")
    gc.freeze()
    gc.enable()
    run_worker(app, settings.log_level)
