"""The first translation does not import torch's compiler, which takes longer than torch itself."""

import subprocess
import sys
from pathlib import Path

from conftest import environment

PROGRAM = """
import sys
from nmt import Translator
translator = Translator.load(sys.argv[1])
translator.translate(["ich sehe den Hund"])
late = sorted(name for name in ("torch._dynamo", "torch._inductor", "sympy", "sacrebleu") if name in sys.modules)
assert not late, late
"""


def test_a_translation_does_without_torchs_compiler(run: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM, run / "model"], env=environment(), check=True, timeout=60)
