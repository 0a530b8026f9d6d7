"""Feed the readers of all formats with broken files.

    python tests/text/fuzz_readers.py --minutes 60

Files of each format are cut, flipped, spliced and stretched at random. A reader may give pairs or raise NmtError with
a message of one line; anything else, more than ten seconds for a file, or memory that grows is printed with the bytes
that caused it, and the exit code is 1. pytest does not collect this; test_corpus.py has the short form.
"""

import argparse
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from test_corpus import PO, THREE, TMX, XLIFF_1, XLIFF_2, as_json, as_tsv

from nmt.config.corpus import CorpusConfig
from nmt.errors import NmtError
from nmt.text.corpus import Corpus, read_pairs

PAIRS = [("Guten Morgen & <mehr>", "Good morning {0}"), ("zwei", "two"), ('"drei"', "three\u2028")] * 3
SEEDS = {
    "x.tsv": as_tsv(PAIRS),
    "x.jsonl": as_json(PAIRS),
    "x.tmx": TMX.format(units=THREE, srclang="en"),
    "x.xlf": XLIFF_1,
    "x.xliff": XLIFF_2,
    "x.po": PO,
    "x": TMX.format(units=THREE, srclang="en"),
}
SECONDS = 10
GROWTH = 200e6


def broken(seed: bytes, draw: random.Random) -> bytes:
    """A damaged copy of a file, often in several ways."""
    data = bytearray(seed)
    for _ in range(draw.choice([1, 1, 2, 5])):
        at, size = draw.randrange(len(data) + 1), draw.choice([1, 3, 20, 200])
        match draw.randrange(8):
            case 0:
                del data[at:]
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = bytes(draw.randrange(256) for _ in range(size))
            case 3 if data:
                data[at % len(data)] ^= 1 << draw.randrange(8)
            case 4:
                start = draw.randrange(len(data) + 1)
                data[at:at] = data[start : start + size]
            case 5:
                data[at:at] = data[at : at + size] * draw.choice([10, 1000])
            case 6:
                data[at:at] = draw.choice(
                    [b"\0", b"\xff\xfe", b"<", b"&", b'"', b"]]>", b"<!--", b"\r", b"&#0;", b"\\", b"[0]"]
                )
            case 7:
                data = bytearray(
                    bytes(data).decode("utf-8", "replace").encode(draw.choice(["utf-16", "latin-1"]), "replace")
                )
    return bytes(data[: 1 << 20])


def outcome(path: Path, settings: CorpusConfig) -> str | None:
    """The problem of a reader with a file; None if there is none."""

    def too_long(number: int, frame: FrameType | None) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    try:
        for pair in read_pairs(Corpus((path,), path.name), settings):
            if "\n" in pair.source + pair.target:
                return "a pair of several lines"
    except NmtError as error:
        return "a message of several lines" if "\n" in error.problem else None
    except TimeoutError:
        return f"more than {SECONDS} seconds"
    except BaseException as error:
        return repr(error)
    finally:
        signal.alarm(0)
    return None


def cases(draw: random.Random) -> Iterator[tuple[str, bytes, CorpusConfig]]:
    languages = [{}, {"source_language": "de", "target_language": "en"}, {"source_language": "en"}]
    while True:
        name = draw.choice(sorted(SEEDS))
        columns = draw.choice([None, None, "1,2", "2,9", "de,en", "source,target"])
        yield (
            name,
            broken(SEEDS[name].encode(), draw),
            CorpusConfig(columns=columns, inline_tags=draw.choice(["strip", "keep"]), **draw.choice(languages)),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    end, tried, failed, start = time.monotonic() + 60 * given.minutes, 0, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        for name, data, settings in cases(random.Random(given.seed)):
            if time.monotonic() > end or failed >= 20:
                break
            path = Path(folder) / name
            path.write_bytes(data)
            problem = outcome(path, settings)
            tried += 1
            if tried == 500:
                start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
            if problem:
                failed += 1
                print(f"{name}, {settings}: {problem}\n  {data[:2000]!r}", flush=True)
    growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - start
    print(f"{tried:,} files, {failed} failures, memory grew by {growth / 1e6:.0f} MB")
    sys.exit(bool(failed) or (tried > 500 and growth > GROWTH))


if __name__ == "__main__":
    main()
