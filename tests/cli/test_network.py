"""Every command does its work with the network shut off."""

import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
from conftest import Corpus, Program


def refuse(*arguments: Any, **options: Any) -> NoReturn:
    raise AssertionError(f"the network was asked for: {arguments}")


def test_all_commands_work_without_a_network(
    command: Program, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    shape = "--preset tiny --dim 16 --heads 2 --feed-forward 16 --encoder-layers 1 --decoder-layers 1 --steps 2"
    for arguments in (
        ["tokenizer", "train", *corpus.train, "--vocab-size", "400"],
        ["check", *corpus.train],
        ["prepare", *corpus.train, "--valid", *corpus.valid, "--test", *corpus.test],
        ["train", *shape.split()],
        ["translate", corpus.test[0]],
        ["score", *corpus.test],
        ["eval"],
        ["attention", "ich sehe", "--html", tmp_path / "page.html"],
        ["report", "--html", tmp_path / "report.html"],
        ["info"],
    ):
        done = command(*arguments, "--run", tmp_path / "run")
        assert done.returncode == 0, (arguments, done.stderr)
