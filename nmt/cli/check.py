"""`nmt check`: inspect raw sentence pairs."""

import json
import logging
from typing import Annotated

from nmt.cli.options import Common, Given, Json
from nmt.cli.output import counting, write_line
from nmt.cli.prepare import Test, TestFile, TrainFiles, Valid, ValidFile, make_sets
from nmt.config.corpus import CleaningConfig


def check(
    common: Common,
    given: Annotated[Given, CleaningConfig],
    files: TrainFiles,
    valid: Valid = None,
    test: Test = None,
    valid_file: ValidFile = None,
    test_file: TestFile = None,
    as_json: Json = False,
) -> None:
    """Report problems in raw sentence pairs: encoding, lengths, misalignment, duplicates, test-set overlap."""
    from nmt.cli.views.check import draw_check
    from nmt.data.check import check
    from nmt.text.tokenizer import Tokenizers

    config = given.build(CleaningConfig)
    sets = make_sets(config, files, valid, test, valid_file, test_file)
    tokenizers = Tokenizers.load(common.run.path) if common.run.has_tokenizer() else None
    with counting("pairs read", quiet=common.quiet) as progress:
        logging.getLogger("nmt").setLevel(logging.ERROR)  # the report has what would be warned of
        report = check(sets, config, tokenizers, progress)
    if as_json:
        write_line(json.dumps(report, ensure_ascii=False))
    else:
        draw_check(report)
