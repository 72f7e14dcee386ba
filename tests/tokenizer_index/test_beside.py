"""The process that compiles the largest kernels beside the first one."""

import inspect
import subprocess
import sys
from typing import Any

import pytest

from constrain.tokenizer_index import beside, masks


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The commands of processes that would have been started; two cores, and a cache."""
    commands: list[Any] = []

    def start(command: Any, **_: Any) -> None:
        commands.append(command)

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.delenv("CONSTRAIN_NO_KERNEL_CACHE", raising=False)
    return commands


def test_arguments() -> None:
    """The kernels have as many arguments as is said, all of them integers: else another form would be compiled."""
    for name, count in beside._KERNELS:
        parameters = inspect.signature(getattr(masks, name).py_func).parameters.values()
        assert [parameter.annotation for parameter in parameters] == [int] * count


def test_nothing_on_disk(started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Then a process is started, of this interpreter."""
    monkeypatch.setattr(beside, "_is_on_disk", lambda: False)
    beside._other_process()
    assert started == [[sys.executable, "-m", "constrain.tokenizer_index.beside"]]


@pytest.mark.parametrize("reason", ["on disk", "one core", "no cache", "another program"])
def test_no_process(reason: str, started: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """None is started when the kernels are there, or it would not help, or it could be any program."""
    monkeypatch.setattr(beside, "_is_on_disk", lambda: reason == "on disk")
    if reason == "one core":
        monkeypatch.setattr("os.cpu_count", lambda: 1)
    if reason == "no cache":
        monkeypatch.setenv("CONSTRAIN_NO_KERNEL_CACHE", "1")
    if reason == "another program":
        monkeypatch.setattr(sys, "executable", "/usr/bin/server")
    assert beside._other_process() is None
    assert not started


def test_a_process_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, started: list[Any]) -> None:
    """Everything is compiled here then."""

    def fail(*_: Any, **__: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(beside, "_is_on_disk", lambda: False)
    monkeypatch.setattr(subprocess, "Popen", fail)
    assert beside._other_process() is None
    beside.load_services()
    assert not started
