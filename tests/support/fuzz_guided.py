"""One parser of tests.support.fuzz_parsers, driven by libFuzzer by way of atheris, which watches each input.

``scripts/fuzz --guided`` starts it, once for each parser: libFuzzer ends the process. atheris (3.0.0 was tried, with Python 3.11)
is no requirement of the tests: install it where scripts/fuzz finds it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

_LONGEST_BYTES = 20_000


def guide(name: str, seconds: int, seed: int) -> None:
    """Fuzz one parser so long. It does not return: libFuzzer prints its counts, and an input that found something, and ends the process."""
    import atheris

    with atheris.instrument_imports(include=["cgtune"]):
        from tests.support.fuzz_parsers import parsers
        from tests.support.fuzzing import Bytes

        parser = next(each for each in parsers() if each.name == name)
        for data in parser.known:  # what is imported inside of functions is watched too
            Bytes(parser.parse, data).run()
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(parser.known):
            Path(corpus, str(number)).write_bytes(data)
        told = [f"-max_total_time={seconds}", f"-max_len={_LONGEST_BYTES}", f"-seed={seed}", "-timeout=2", "-rss_limit_mb=512"]
        atheris.Setup(
            ["fuzz", *told, "-print_final_stats=1", f"-artifact_prefix={name}-", corpus], lambda data: Bytes(parser.parse, data).run()
        )
        atheris.Fuzz()


if __name__ == "__main__":
    guide(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
