"""Searches for input that breaks an invariant: `python -m tests.fuzz records|converter CORPUS [libFuzzer's options]`.

A finding is saved as a file next to the folder CORPUS; pass the file instead of CORPUS to reproduce it.
"""

import hashlib
import importlib
import sys
from pathlib import Path

import atheris

name, corpus = sys.argv[1], Path(sys.argv[2])
with atheris.instrument_imports(include=["passivedns"]):
    fuzzer = importlib.import_module(f"tests.fuzz.fuzz_{name}")
if not corpus.is_file():
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in fuzzer.SEEDS:
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
options = [
    "-verbosity=0",
    "-print_final_stats=1",
    "-timeout=10",
    "-max_len=20000",
    f"-dict={Path(__file__).with_name('words.dict')}",
    f"-artifact_prefix={corpus.parent}/",
]
atheris.Setup([sys.argv[0], *options, *sys.argv[2:]], fuzzer.check)
atheris.Fuzz()
