"""Feed every command with damaged files of its own: models, checkpoints, tokenizers, data, settings, logs.

    python tests/fuzz_files.py --cases 500

Each file of a run is cut, flipped and stretched at random, or tells lies that a careless reader would believe: numbers
that are huge or negative, names that lead out of the directory, values of other types, and hashes made right again. A
command may do its work, or end with exit code 1 or 2 and a short message; anything else, more than ten seconds, or
memory that grows is told with the case, and the exit code is 1. pytest does not collect this; cli/test_damaged_files.py
has the short form.
"""

import argparse
import hashlib
import json
import random
import re
import resource
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

SECONDS, GROWTH = 10, 400e6
LIES: list[Any] = [None, True, -1, 0, 1, 3, 2**31, 2**63, 1e308, -0.5, "", "x" * 3000, "../../x", "/etc/passwd", [], {}]
LIES += [[[]], {"a": {}}, "nan", [1, 2], ["\ud800"]]


class Target(NamedTuple):
    """A kind of file, and a command that reads it."""

    pattern: str
    command: tuple[str, ...]


TARGETS = [
    *(Target("model/*", command) for command in (("translate",), ("info",), ("score", "SOURCE", "TARGET"))),
    *(Target(pattern, ("translate",)) for pattern in ("model/config.json", "model/model.safetensors")),
    *(Target("tokenizer.model", command) for command in (("tokenizer", "encode"), ("tokenizer", "decode"))),
    *(
        Target(pattern, ("train", "--steps", "5"))
        for pattern in ("data/*", "data/*/*", "config.toml", "tokenizer.model")
    ),
    *(
        Target("checkpoints/*/*", command)
        for command in (("train", "--steps", "5"), ("average", "--output", "NEW"), ("info",))
    ),
    Target("data/*", ("eval", "--beam", "1")),
    Target("data/*/*", ("eval", "--diff", "TARGET", "SOURCE")),
    Target("metrics.jsonl", ("report",)),
    Target("metrics.jsonl", ("report", "--html", "NEW")),
    Target("metrics.jsonl", ("train", "--steps", "5")),
    Target("model/config.json", ("report",)),
    Target("eval/test.json", ("report", "--json")),
]


def damaged(content: bytes, draw: random.Random) -> bytes:
    """A file with bytes missing, changed or added."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 3])):
        at, size = draw.randrange(len(data) + 1), draw.choice([1, 4, 50])
        match draw.randrange(6):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = draw.randbytes(size)
            case 3 if data:
                data[at % len(data)] ^= 1 << draw.randrange(8)
            case 4 if len(data) > 16:  # sizes and offsets stand in the first bytes
                data[draw.randrange(16)] = draw.choice([0, 127, 255])
            case _:
                data += draw.randbytes(size)
    return bytes(data)


def lying(path: Path, content: bytes, draw: random.Random) -> bytes:
    """A file in its own format that says something else: a value of JSON or TOML, a header of arrays or weights."""
    if path.suffix == ".json":
        return json.dumps(_with_a_lie(json.loads(content), draw)).encode()
    if path.suffix == ".jsonl":
        lines = content.splitlines() or [b"{}"]
        at = draw.randrange(len(lines))
        lines[at] = json.dumps(_with_a_lie(json.loads(lines[at]), draw)).encode()
        return b"\n".join(lines) + b"\n"
    if path.suffix == ".toml":
        lines = content.splitlines()
        at = draw.randrange(len(lines))
        lie = json.dumps(draw.choice([lie for lie in LIES if not isinstance(lie, dict) and lie != ["\ud800"]]))
        lines[at] = re.sub(rb"=.*", b"= " + lie.encode(), lines[at])
        return b"\n".join(lines)
    if path.suffix == ".safetensors":
        size = struct.unpack("<Q", content[:8])[0]
        header = json.dumps(_with_a_lie(json.loads(content[8 : 8 + size]), draw)).encode()
        return struct.pack("<Q", len(header)) + header + content[8 + size :]
    if path.suffix == ".npy":
        shape = draw.choice([b"(99999999999,)", b"(-1,)", b"(3, 4)", b"()", b"(1,)"])
        kind = draw.choice([b"'|O'", b"'<f8'", b"'<u2'", b"'<i8'", b"'<U9'"])
        text = b"{'descr': " + kind + b", 'fortran_order': False, 'shape': " + shape + b", }"
        return content[:8] + struct.pack("<H", 118) + text.ljust(117) + b"\n" + content[128:]
    return damaged(content, draw)


def _with_a_lie(value: Any, draw: random.Random) -> Any:
    """Some nested value replaced, or a key taken out."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        key = draw.choice(list(value))
        if draw.random() < 0.1:
            return {name: one for name, one in value.items() if name != key}
        return {**value, key: _with_a_lie(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.7:
        at = draw.randrange(len(value))
        return [*value[:at], _with_a_lie(value[at], draw), *value[at + 1 :]]
    return draw.choice(LIES)


def with_right_hashes(path: Path) -> None:
    """Make the hashes agree with a file again, as whoever tells lies would."""
    for listing, key in ((path.parent / "config.json", "sha256"), (path.parent / "manifest.json", None)):
        if not listing.exists() or listing == path:
            continue
        content = json.loads(listing.read_bytes())
        parts = content[key] if key else content
        if path.name in parts:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            parts[path.name] = digest if key else {"bytes": path.stat().st_size, "sha256": digest}
            listing.write_text(json.dumps(content), "utf-8")


def cases(run: Path, scratch: Path, target: Target, count: int, seed: int) -> Iterator[tuple[str, Path, list[str]]]:
    """Runs with one damaged file each, what was done to it, and the command that is to read it."""
    draw = random.Random(f"{seed} {target}")
    files = sorted(path.relative_to(run) for path in run.glob(target.pattern) if path.is_file())
    assert files, target
    for number in range(count):
        copy = scratch / "run"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(run, copy)
        path = copy / draw.choice(files)
        content = path.read_bytes()
        how = damaged(content, draw) if draw.random() < 0.5 else lying(path, content, draw)
        path.write_bytes(how)
        hashes = draw.random() < 0.7
        if hashes:
            with_right_hashes(path)
        places = {
            "SOURCE": run / "data" / "test.source",
            "TARGET": run / "data" / "test.target",
            "NEW": scratch / "new",
        }
        shutil.rmtree(scratch / "new", ignore_errors=True)
        (scratch / "new").unlink(missing_ok=True)
        arguments = [str(places.get(word, word)) for word in target.command]
        what = f"{path.relative_to(copy)}, case {number}{', hashes made right' if hashes else ''}"
        yield what, path, [*arguments, "--run", str(copy)]


def problem_of(call: Callable[[list[str]], tuple[int, str]], arguments: list[str]) -> str:
    """What is wrong with how a command took its damaged file; nothing if it did well."""
    begin, memory = time.monotonic(), _peak()
    try:
        code, told = call(arguments)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "internal error" in told or "Traceback" in told:
        return told
    errors = [line for line in told.splitlines() if line.startswith("error:")]
    if len(errors) != (code != 0):
        return f"exit code {code} with {len(errors)} errors: {told[:300]}"
    if time.monotonic() - begin > SECONDS:
        return f"took {time.monotonic() - begin:.1f} seconds"
    if _peak() - memory > GROWTH:
        return f"memory grew by {(_peak() - memory) / 1e6:.0f} MB"
    return ""


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def make_run(folder: Path, call: Callable[[list[str]], tuple[int, str]]) -> Path:
    """A run with everything in it: data, settings, two checkpoints, a model, a log and an evaluation."""
    words = ["ab", "cd", "ef", "gh", "ij", "kl", "mn", "op"]
    draw = random.Random(1)
    for name, count in (("train", 300), ("valid", 20), ("test", 20)):
        lines = [" ".join(draw.choices(words, k=draw.randint(3, 6))) + f" {name}{number}" for number in range(count)]
        (folder / f"{name}.de").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        (folder / f"{name}.en").write_text("".join(f"{line[::-1]}\n" for line in lines), "utf-8")
    run, files = (
        str(folder / "made"),
        {name: [str(folder / f"{name}.{side}") for side in ("de", "en")] for name in ("train", "valid", "test")},
    )
    shape = "--preset tiny --dim 16 --heads 2 --feed-forward 16 --encoder-layers 1 --decoder-layers 1 --max-length 64"
    steps = "--steps 4 --save-every 2 --validate-every 2 --average 2 --log-every 1 --batch-tokens 256 --warmup 1"
    for arguments in (
        ["tokenizer", "train", *files["train"], "--vocab-size", "300"],
        ["prepare", *files["train"], "--valid", *files["valid"], "--test", *files["test"]],
        ["train", *shape.split(), *steps.split(), "--precision", "float32"],
        ["eval", "--beam", "1"],
    ):
        code, told = call([*arguments, "--run", run])
        assert code == 0, told
    return Path(run)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=500, help="of each file and command")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    from typer.testing import CliRunner

    from nmt.cli.app import app

    def call(arguments: list[str]) -> tuple[int, str]:
        done = CliRunner().invoke(app, arguments, input="ab cd\nef\n", prog_name="nmt")
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stderr

    failures = total = 0
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), call)
        for target in TARGETS:
            begin = time.monotonic()
            for what, _, arguments in cases(run, Path(folder), target, given.cases, given.seed):
                problem = problem_of(call, arguments)
                total += 1
                if problem:
                    failures += 1
                    print(f"{' '.join(target.command)}: {what}: {problem}")
            seconds = time.monotonic() - begin
            print(
                f"{target.pattern} for {' '.join(target.command)}: {given.cases} cases in {seconds:.0f} s", flush=True
            )
    print(f"{total:,} damaged files, {failures} failures, at most {_peak() / 1e6:.0f} MB")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
