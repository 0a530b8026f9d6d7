"""Compare the decoding throughput of nmt and CTranslate2, alternating, with the same weights, sentences and search.

    python benchmarks/decoding_speed.py --model run/model --text test.en --reference test.de --rounds 3

The model is first exported to CTranslate2. Each system translates the whole text with --threads cores busy
(single-threaded workers), then --single lines one at a time with one thread. Each round is a new program that reads and
writes lines; CTranslate2 has the fastest of several batch sizes. The clock starts after the model is loaded, so
tokenization and warm-up (memory allocation, kernel
selection) count for both. Figures are sentences/s: the median of the rounds, with the slowest and the fastest. The
last column is the ratio to CTranslate2 alone in float32 or, for all other precisions, in int8; `int8+map` is
CTranslate2 with nmt's shortlist. At last, whole commands translate 1 line, 100, and all, and figures are seconds.
Memory is the peak of the whole program; memory shared between its processes counts once.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from programs import run

CTRANSLATE2, NMT, TORCH = ("float32", "int8", "int8+map"), ("float32", "int8"), ("float32", "int8")

THEIRS = """
import json, sys, time, ctranslate2, sentencepiece
directory, text, precision, beam, threads, single, batch = sys.argv[1:]
pieces = sentencepiece.SentencePieceProcessor(model_file=directory + "/" + "{source}")
target = sentencepiece.SentencePieceProcessor(model_file=directory + "/" + "{target}")
lines = open(text, encoding="utf-8").read().split("\\n")[:-1]
precision, _, shortlist = precision.partition("+")
engine = ctranslate2.Translator(directory, inter_threads=int(threads), intra_threads=1, compute_type=precision)
start = time.perf_counter()
if int(single):
    for line in lines[: int(single)]:
        engine.translate_batch([pieces.encode(line, out_type=str)], beam_size=int(beam), use_vmap=bool(shortlist))
    print(json.dumps([int(single) / (time.perf_counter() - start), []]))
else:
    rows = pieces.encode(lines, out_type=str)
    found = engine.translate_batch(rows, beam_size=int(beam), max_batch_size=int(batch), use_vmap=bool(shortlist))
    found = [target.decode(one.hypotheses[0]) for one in found]
    print(json.dumps([len(lines) / (time.perf_counter() - start), found]))
"""

OURS = """
import json, sys, time
from nmt import Translator
from nmt.config.search import SearchConfig
directory, text, precision, beam, threads, single, _ = sys.argv[1:]
lines = open(text, encoding="utf-8").read().split("\\n")[:-1]
translator = Translator.load(directory, engine="{engine}", precision=precision, threads=int(threads), device="cpu")
search = SearchConfig(beam=int(beam), batch_tokens={batch})
getattr(translator.engine, "ctranslate2", None)  # loaded now, not at the first line
start = time.perf_counter()
if int(single):
    for line in lines[: int(single)]:
        translator.translate([line], search=search)
    print(json.dumps([int(single) / (time.perf_counter() - start), []]))
else:
    found = [one.text for one in translator.stream(lines, search, token_scores=False)]
    print(json.dumps([len(lines) / (time.perf_counter() - start), found]))
"""


def measure(program: str, arguments: list[object]) -> tuple[float, int, list[str]]:
    """Run a program; return sentences/s, peak memory in bytes and its translations."""
    done = run([sys.executable, "-c", program, *arguments])
    rate, found = json.loads(done.output)
    return rate, done.peak, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beams", type=int, nargs="+", default=[5, 1])
    parser.add_argument("--single", type=int, default=100, help="number of lines translated one at a time (0: none)")
    parser.add_argument(
        "--batches", type=int, nargs="+", default=[16, 32, 64], help="batch sizes of CTranslate2 to try"
    )
    parser.add_argument("--student", type=Path, nargs="*", default=[], help="models to compare with --model, in int8")
    parser.add_argument("--batch-tokens", type=int, help="batch size of nmt in tokens (--batch-tokens)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "exported"
        export = ["export", "ctranslate2", "--model", given.model, "--output", exported, "--sample", given.text]
        subprocess.run([sys.executable, "-m", "nmt", *map(str, export)], check=True)
        names = sorted(path.name for path in exported.glob("tokenizer*.model"))
        theirs = THEIRS.replace("{source}", names[0]).replace("{target}", names[-1])
        ours = OURS.replace("{batch}", str(given.batch_tokens))
        sides = [("ctranslate2", theirs, exported, precision) for precision in CTRANSLATE2]
        sides += [("nmt", ours.replace("{engine}", "auto"), given.model, precision) for precision in NMT]
        sides += [("nmt on torch", ours.replace("{engine}", "torch"), given.model, precision) for precision in TORCH]
        sides += [(str(path), ours.replace("{engine}", "auto"), path, "int8") for path in given.student]
        for beam, single in [(beam, 0) for beam in given.beams] + (
            [(given.beams[0], given.single)] if given.single else []
        ):
            compare(sides, beam, single, given)
        compare_commands(theirs, exported, given)


def compare_commands(theirs: str, exported: Path, given: argparse.Namespace) -> None:
    """Run whole commands alternately, from the start of Python on, for texts of three lengths."""
    lines, beam = given.text.read_text(encoding="utf-8").split("\n")[:-1], given.beams[0]
    print(
        f"\nbeam {beam}, whole commands, {given.threads} at work, seconds for 1, 100 and {len(lines):,} lines",
        flush=True,
    )
    translate = [sys.executable, "-m", "nmt", "translate", "--model", given.model, "--beam", beam]
    for precision in CTRANSLATE2[:2]:
        rows: dict[str, list[str]] = {"ctranslate2": [], "nmt": []}
        for count in (1, 100, len(lines)):
            text = exported.with_name("text")
            text.write_text("".join(line + "\n" for line in lines[:count]), encoding="utf-8")
            commands = {
                "ctranslate2": [sys.executable, "-c", theirs, exported, text, precision, beam, given.threads, 0, 16],
                "nmt": [*translate, "--precision", precision, "--threads", given.threads, text],
            }
            seconds: dict[str, list[float]] = {name: [] for name in commands}
            for _ in range(given.rounds):
                for name, command in commands.items():
                    seconds[name].append(run(command).seconds)
            for name, taken in seconds.items():
                rows[name].append(f"{statistics.median(taken):5.2f} [{min(taken):.2f} to {max(taken):.2f}]")
        for name, row in rows.items():
            print(f"{name:12} {precision:9} {'   '.join(row)}", flush=True)


def compare(sides: list[tuple[str, str, Path, str]], beam: int, single: int, given: argparse.Namespace) -> None:
    """Run all systems alternately for --rounds rounds and print the results."""
    threads = 1 if single else given.threads
    rates: dict[tuple[str, str], list[float]] = {}
    memory: dict[tuple[str, str], int] = {}
    texts: dict[tuple[str, str], list[str]] = {}
    batches = dict[tuple[str, str], int]()  # of CTranslate2 the fastest of those that were given
    for name, program, directory, precision in sides:
        tried = given.batches if name == "ctranslate2" and not single else given.batches[:1]
        arguments = [directory, given.text, precision, beam, threads, single]
        speeds = {batch: measure(program, [*arguments, batch])[0] for batch in tried} if len(tried) > 1 else {}
        batches[name, precision] = max(speeds, key=speeds.__getitem__, default=tried[0])
    for _ in range(given.rounds):
        for name, program, directory, precision in sides:
            arguments = [directory, given.text, precision, beam, threads, single]
            rate, peak, found = measure(program, [*arguments, batches[name, precision]])
            rates.setdefault((name, precision), []).append(rate)
            memory[name, precision] = max(peak, memory.get((name, precision), 0))
            texts[name, precision] = found
            time.sleep(0.5)
    what = f"one line at a time, {threads} thread" if single else f"the whole text, {threads} at work"
    print(f"\nbeam {beam}, {what}", flush=True)
    for (name, precision), found in rates.items():
        base = statistics.median(rates["ctranslate2", "float32" if precision == "float32" else "int8"])
        best = max(statistics.median(rates["ctranslate2", one]) for one in CTRANSLATE2) if single else base
        middle = statistics.median(found)
        line = f"{name:12} {precision:9} {middle:7.1f} [{min(found):.1f} to {max(found):.1f}] sentences/s"
        line += f"  {memory[name, precision] / 1e6:5.0f} MB  {middle / best:5.2f}"
        line += f"  batch {batches[name, precision]}" if name == "ctranslate2" and not single else ""
        if given.reference and not single:
            import sacrebleu

            references = given.reference.read_text(encoding="utf-8").split("\n")[:-1]
            line += f"  BLEU {sacrebleu.corpus_bleu(texts[name, precision], [references]).score:.2f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
