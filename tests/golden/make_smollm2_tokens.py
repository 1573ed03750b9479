"""Writes the token ids that llama.cpp gives for many texts, to compare our tokenizers with.

    python tests/golden/make_smollm2_tokens.py SmolLM2-135M-Instruct.Q4_1.gguf

needs the PyPI package xllamacpp and writes, beside this script,

- smollm2_tokens.json: SmolLM2's own tokenizer
- sentencepiece_tokens.json: a made-up SentencePiece vocabulary
- wordpiece_tokens.json: a made-up WordPiece vocabulary, without texts that llama.cpp and BERT see
  differently: Hangul, U+0085, "▁", and characters that not every version of Unicode has

Run it from the repository's root with the root on PYTHONPATH.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import unicodedata
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import TypedDict

import xllamacpp

from tests.unit.export.checkpoints.gguf import tiny_llama
from tests.unit.export.checkpoints.gguf.sentencepiece_vocabulary import sentencepiece_metadata
from tests.unit.export.checkpoints.gguf.wordpiece_vocabulary import wordpiece_metadata
from tests.unit.export.checkpoints.writers import MetadataInput, gguf_bytes

HERE = Path(__file__).parent


class Group(TypedDict):
    """`ids` holds one list for every text."""

    names: list[str]
    ids: list[list[int]]


TEXTS = (
    "",
    " ",
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "I'm sure they've said we'll go; it's John's, isn't it? I'D DON'T",
    "El niño comió piñas. Crème brûlée, façade, naïve. Größe, Straße, Übung.",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň. Türkçe İıŞş",
    "Привет, мир! Съешь же ещё этих мягких французских булок.",
    "Καλημέρα κόσμε. ἄνθρωπος",
    "שלום עולם. שָׁלוֹם",
    "مرحبا بالعالم ١٢٣٤ السَّلَامُ عَلَيْكُمْ",
    "नमस्ते दुनिया। क्षत्रिय १२३",
    "বাংলা ভাষা தமிழ் மொழி తెలుగు ಕನ್ನಡ",
    "สวัสดีชาวโลก ๑๒๓ ភាសាខ្មែរ မြန်မာ",
    "你好，世界！我们去吃饭吧。２０２４年",
    "こんにちは世界。カタカナ ｶﾀｶﾅ 漢字とひらがな",
    "안녕하세요 세계. ㄱㄴㄷ",
    "ქართული Հայերեն አማርኛ ᏣᎳᎩ ᚠᚢᚦ 𐌰𐌱𐌲",
    "e\u0301 n\u0303 o\u0308 a\u0323\u0302 Z\u0351\u036b\u0343a\u0302lgo",
    "😀😃🎉🚀 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 ❤️ ☃ ✅1️⃣",
    "a\u200bb\u200cc\u200dd\ufeffe\u00ad\u2060f",
    "one  two   three    four     five\n\nsix\n\n\nseven \n eight\t\tnine \t ten   ",
    "   leading and trailing   ",
    "\n\n  \n\t\n",
    "line\r\nline\r\n\r\nline\rline",
    "a\u00a0b\u2003c\u3000d\u2028e\u2029f\u0085g\u1680h\u180ei",
    "\x00\x01\x02\x07\x08\x0b\x0c\x1b[31mred\x1b[0m\x1c\x1d\x1f\x7f\x80\x9f",
    "0 1 12 123 1234 12345 123456789 3.14159 1,000,000 -5 1e10 0xFF 2024-01-02T03:04:05Z",
    "½ ² ³ ① Ⅳ ٣ ४ 𝟙𝟚𝟛 一二三",
    "def f(x: int) -> int:\n    if x >= 0:\n        return x ** 2  # square\n\treturn None\n",
    '#include <stdio.h>\nint main(void) { printf("%d\\n", a[0]->b); return 0; }',
    "SELECT * FROM t WHERE a='b' AND c<>\"d\"; -- comment",
    '<html><body class="x">&nbsp;</body></html> {"a": [1, 2.5, null, true]}',
    "https://example.com/path?q=1&r=%20#frag user.name+tag@mail.example.co.uk",
    "$100 €50 £20 ¥1000 + - * / = < > ^ ~ | ` @ # % & ( ) [ ] { } \\ ; : ' \" , . ? !",
    "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'VE 'M 'LL 'D ' s ''s x'sy 'ſ",
    "“quotes” ‘single’ «guillemets» … — – ‑ • § ¶ © ® ™ ° ± × ÷ ≠ ∑ √ ∞",
    "camelCaseString snake_case_string SCREAMING_SNAKE kebab-case PascalCase iPhone15Pro",
    "word" * 50,
    "a" * 300,
    " " * 100,
    "!?" * 60,
    "aGVsbG8gd29ybGQhIFRoaXMgaXMgYmFzZTY0IGVuY29kZWQgdGV4dC4=",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|im_start|><|im_end|><|endoftext|>",
    "text<|im_end|>text <|im_end|> text\n<|im_end|>\n",
    "<|im_start <|im_start|x> |im_end|> <| im_end |> <|IM_END|>",
    "<repo_name>x<file_sep>y<reponame>z<filename>w<empty_output>",
    "<s>hi</s> <unk> <0x0A> <|user|>x    y<|user|> z",
    "the cat sat on the mat, ababab abab aaaa aaaaa international 世界 niño ▁ x▁y ▁▁",
)
_RANGES = (
    (0x20, 0x7E),
    (0x00, 0x2FF),
    (0x300, 0xFFF),
    (0x1000, 0x2FFF),
    (0x3000, 0xD7FF),
    (0xE000, 0xFFFF),
    (0x10000, 0x1FFFF),
)


def random_texts(number: int, seed: int) -> list[str]:
    """Texts of random characters: half from one range of Unicode, half spiced with space."""
    generator = random.Random(seed)
    texts = []
    for _ in range(number):
        ranges = [generator.choice(_RANGES), (0x20, 0x7E)]
        characters = [
            generator.choice(" \t\n\r'0aZ")
            if generator.random() < 0.3
            else chr(generator.randint(*generator.choice(ranges)))
            for _ in range(generator.randint(1, 40))
        ]
        texts.append("".join(characters))
    return texts


def tokenize(path: Path, texts: Iterable[str]) -> list[list[int]]:
    """llama.cpp's ids, special tokens in the text recognised and none added."""
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel, params.port, params.cpuparams.n_threads = 64, 1, 0, 1
    params.warmup, params.verbosity = False, 0
    server = xllamacpp.Server(params)
    result = []
    for text in texts:
        body = json.dumps({"content": text, "add_special": False, "parse_special": True}).encode()
        request = urllib.request.Request(
            f"{server.listening_address}/tokenize", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as reply:
            result.append(json.load(reply)["tokens"])
    return result


def write_json(name: str, content: object) -> None:
    text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
    (HERE / name).write_text(text.replace('],["', '],\n["') + "\n", encoding="utf-8")


def tiny_gguf(path: Path, metadata: dict[str, MetadataInput]) -> None:
    tokens = metadata["tokenizer.ggml.tokens"]
    assert isinstance(tokens, list)
    content = gguf_bytes(tiny_llama.metadata() | metadata, tiny_llama.tensors(len(tokens)))
    path.write_bytes(content)


def add_to_group(groups: list[Group], name: str, ids: list[list[int]]) -> None:
    """Names under which llama.cpp gives the same ids are kept together, to keep the file small."""
    for group in groups:
        if group["ids"] == ids:
            group["names"].append(name)
            return
    groups.append({"names": [name], "ids": ids})


def is_alike(text: str) -> bool:
    """Whether BERT and llama.cpp see the same words in it."""
    assigned = all(unicodedata.category(c) != "Cn" for c in text)
    return assigned and not any(c in "\x85▁" or "가" <= c <= "힣" for c in text)


def main(gguf: Path) -> None:
    texts = [*TEXTS, *random_texts(400, seed=1)]
    write_json("smollm2_tokens.json", list(zip(texts, tokenize(gguf, texts), strict=True)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.gguf"
        texts = [*TEXTS, *random_texts(200, seed=3)]
        groups: list[Group] = []
        for flag in (True, False):
            tiny_gguf(path, sentencepiece_metadata() | {"tokenizer.ggml.add_space_prefix": flag})
            add_to_group(groups, str(flag), tokenize(path, texts))
        write_json("sentencepiece_tokens.json", {"texts": texts, "groups": groups})
        texts = [text for text in [*TEXTS, *random_texts(60, seed=4)] if is_alike(text)]
        tiny_gguf(path, wordpiece_metadata() | {"tokenizer.ggml.merges": []})
        write_json("wordpiece_tokens.json", list(zip(texts, tokenize(path, texts), strict=True)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
