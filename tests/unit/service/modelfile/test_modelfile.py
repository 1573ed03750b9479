from __future__ import annotations

import json
import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.modelfile.modelfile import read_modelfile
from service.modelfile.parser import Instruction, ModelfileError, parse
from service.modelfile.printing import (
    modelfile_text,
    modelfile_with_gaps,
    parameter_lines,
    parameters_text,
)
from service.store.overrides import Overrides, Parameters, Turn

WHOLE = '''
# A comment, and an empty line

FROM llama3.2
parameter  temperature 0.5
PARAMETER\tnum_ctx\t4096
Parameter stop "AI assistant:"
PARAMETER stop <|eot|>
PARAMETER seed -1
PARAMETER repeat_last_n -1
PARAMETER num_keep 4
PARAMETER use_mmap true
SYSTEM """You are Mario.
# This is no comment.
Answer as "Mario"."""
TEMPLATE """{% for message in messages %}{{ message.content }}{% endfor %}"""
MESSAGE user Is Toronto in Canada?
message ASSISTANT """yes
indeed"""
LICENSE MIT
LICENSE """
More of it
"""
'''


def test_everything_that_a_modelfile_can_say_is_read() -> None:
    modelfile = read_modelfile(WHOLE)
    assert (modelfile.base, modelfile.base_line) == ("llama3.2", 4)
    assert modelfile.overrides == Overrides(
        parameters=Parameters(
            temperature=0.5,
            num_ctx=4096,
            stop=("AI assistant:", "<|eot|>"),
            seed=-1,
            repeat_last_n=-1,
            num_keep=4,
            use_mmap=True,
        ),
        system='You are Mario.\n# This is no comment.\nAnswer as "Mario".',
        template="{% for message in messages %}{{ message.content }}{% endfor %}",
        messages=(Turn("user", "Is Toronto in Canada?"), Turn("assistant", "yes\nindeed")),
        licenses=("MIT", "\nMore of it\n"),
    )


def test_the_recipe_for_a_context_of_ones_own() -> None:
    modelfile = read_modelfile("FROM llama3.2\nPARAMETER num_ctx 8192\n")
    assert modelfile.base == "llama3.2"
    assert modelfile.overrides == Overrides(parameters=Parameters(num_ctx=8192))


def test_lines_of_windows_and_a_byte_order_mark_are_fine() -> None:
    text = '\ufeffFROM a\r\nSYSTEM """x\r\ny"""\r\nPARAMETER top_k 5\r\n'
    modelfile = read_modelfile(text)
    assert modelfile.overrides.parameters.top_k == 5
    assert modelfile.overrides.system == "x\r\ny"


def test_the_last_of_several_counts() -> None:
    text = "FROM a\nSYSTEM one\nSYSTEM two\nPARAMETER top_k 1\nPARAMETER top_k 2"
    overrides = read_modelfile(text).overrides
    assert (overrides.system, overrides.parameters.top_k) == ("two", 2)


def test_what_is_printed_is_read_back_as_the_same() -> None:
    overrides = read_modelfile(WHOLE).overrides
    assert read_modelfile(modelfile_text("b:v1", overrides)).overrides == overrides
    assert read_modelfile(modelfile_text("b:v1", overrides)).base == "b:v1"


_CHARS = st.sampled_from('""""a b#\\\n\r\t\f\x85\u2028')
_TEXTS = st.text(_CHARS, max_size=12) | st.text(max_size=30)
_STOPS = _TEXTS.filter(bool)
_OVERRIDES = st.builds(
    Overrides,
    parameters=st.builds(
        Parameters,
        num_ctx=st.none() | st.integers(1, 10**6),
        temperature=st.none() | st.floats(0, 2),
        top_p=st.none() | st.floats(0.01, 1),
        seed=st.none() | st.integers(-(2**63), 2**63 - 1),
        num_predict=st.none() | st.sampled_from([-2, -1, 1, 500]),
        stop=st.none() | st.lists(_STOPS, min_size=1, max_size=3).map(tuple),
        use_mmap=st.none() | st.just(True),
    ),
    system=st.none() | _TEXTS,
    messages=st.lists(
        st.builds(Turn, st.sampled_from(["system", "user", "assistant"]), _TEXTS), max_size=3
    ).map(tuple),
    licenses=st.lists(_TEXTS, max_size=2).map(tuple),
)


@given(_OVERRIDES)
def test_whatever_was_said_survives_being_printed_or_is_refused(overrides: Overrides) -> None:
    try:
        text = modelfile_text("base", overrides)
    except ValueError as error:
        assert "cannot be put in a Modelfile" in str(error)  # noqa: PT017  not every example's
        assert "cannot be put in a Modelfile" in modelfile_with_gaps("base", overrides)
    else:
        assert read_modelfile(text).overrides == overrides
        assert modelfile_with_gaps("base", overrides) == text


_OPENINGS = st.sampled_from(["", '"', '"""'])


@given(_OPENINGS, st.text(_CHARS, max_size=12), _OPENINGS)
def test_whatever_can_be_written_can_be_printed(begun: str, text: str, ended: str) -> None:
    with suppress(ModelfileError):
        overrides = read_modelfile(f"FROM a\nSYSTEM {begun}{text}{ended}\n").overrides
        assert read_modelfile(modelfile_text("a", overrides)).overrides == overrides


@pytest.mark.parametrize(
    "text",
    [
        *("", '"', '""', '"""', '" "', '"""a', '""a""', 'He said "hi"', 'say """ here', "  a  "),
        *('Ends in several\nlines in "', '"\n"', "\n", " \n ", "\\", "# a", "\r\n", "a\u2028"),
    ],
)
def test_quotes_and_white_space_survive_being_printed(text: str) -> None:
    overrides = Overrides(
        parameters=Parameters(stop=(text or "-",)),
        system=text,
        template=text,
        messages=(Turn("user", text),),
        licenses=(text,),
    )
    assert read_modelfile(modelfile_text("a", overrides)).overrides == overrides


UNWRITABLE = 'say\n"""\n'


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (Overrides(system=UNWRITABLE), "SYSTEM"),
        (Overrides(template=UNWRITABLE), "TEMPLATE"),
        (Overrides(licenses=("MIT", UNWRITABLE)), "LICENSE"),
        (Overrides(messages=(Turn("user", UNWRITABLE),)), "MESSAGE user"),
        (Overrides(parameters=Parameters(stop=(UNWRITABLE,))), "PARAMETER stop"),
        (Overrides(system='a""" \t\rb'), "SYSTEM"),
    ],
)
def test_a_text_that_no_modelfile_can_hold_is_refused_by_name(
    overrides: Overrides, name: str
) -> None:
    with pytest.raises(ValueError, match=f"^{name} cannot be put in a Modelfile"):
        modelfile_text("a", overrides)


def test_what_no_modelfile_can_hold_is_told_in_its_place() -> None:
    kept = Overrides(parameters=Parameters(top_k=3), licenses=("MIT",))
    text = modelfile_with_gaps("a", Overrides(system=UNWRITABLE).over(kept))
    assert '\n# SYSTEM cannot be put in a Modelfile: a line before its last ends in """\n' in text
    assert read_modelfile(text).overrides == kept


def test_parameters_are_listed_with_texts_in_quotes() -> None:
    parameters = Parameters(temperature=0.5, stop=("a b", 'c"'), use_mmap=True)
    assert parameter_lines(parameters) == [
        ("temperature", "0.5"),
        ("stop", '"a b"'),
        ("stop", r'"c\""'),
        ("use_mmap", "true"),
    ]
    assert parameters_text(Parameters(num_ctx=8, stop=("<|im_end|>", "\n\n"))) == (
        "num_ctx                        8\n"
        'stop                           "<|im_end|>"\n'
        r'stop                           "\n\n"'
    )


@given(st.lists(_STOPS, min_size=1, max_size=3))
def test_clients_read_what_they_are_told_of_parameters(stops: list[str]) -> None:
    """Line by line, and each value as JSON, as the editors do that look for stop strings."""
    lines = parameters_text(Parameters(seed=-1, stop=tuple(stops))).splitlines()
    found = [re.fullmatch(r'(\S+)\s+((?:".*")|\S+)', line) for line in lines]
    assert [(each[1], json.loads(each[2])) for each in found if each] == [
        ("seed", -1),
        *(("stop", stop) for stop in stops),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: there is no FROM"),
        ("SYSTEM x", "line 1: there is no FROM"),
        ("FROM a\nFROM b", "line 2: there is more than one FROM"),
        ("FROM", "line 1: FROM lacks its argument"),
        ("FROM a\n\nHELLO x", "line 3: 'HELLO x' does not begin with an instruction"),
        ("FROM a\n=", "line 2: '=' does not begin"),
        ("FROM a\nSYSTEM  \t", "line 2: SYSTEM lacks its argument"),
        ('FROM ""', "line 1: FROM lacks its argument"),
        ('FROM " "', "line 1: FROM lacks its argument"),
        ('FROM a\nSYSTEM """x\ny', 'line 2: """ is never closed: no line ends in """'),
        ('FROM a\nSYSTEM """x"""y', 'line 2: """ is never closed'),
        ('FROM a\nSYSTEM """', 'line 2: """ is never closed'),
        ('FROM a\nSYSTEM """""', 'line 2: """ is never closed'),
        ('FROM a\nSYSTEM "x" y\nLICENSE z', 'line 2: " is never closed: no line ends in "'),
        ('FROM a\nSYSTEM "', 'line 2: " is never closed'),
        ("FROM a\nADAPTER ./lora", "line 2: ADAPTER cannot be honoured: adapters"),
        ("FROM a\nREQUIRES 0.9", "line 2: REQUIRES cannot be honoured"),
        ("FROM a\nRENDERER x", "line 2: RENDERER cannot be honoured"),
        ("FROM a\nPARSER x", "line 2: PARSER cannot be honoured"),
        ("FROM a\nDRAFT x", "line 2: DRAFT cannot be honoured"),
        ("FROM a\nMESSAGE tool x", "line 2: MESSAGE needs a role"),
        ("FROM a\nMESSAGE user", "line 2: MESSAGE needs a role"),
        ("FROM a\nPARAMETER banana 1", "line 2: PARAMETER 'banana' is not known"),
        ("FROM a\nPARAMETER num_gpu 1", "line 2: PARAMETER num_gpu cannot be honoured: .*--device"),
        ("FROM a\nPARAMETER num_thread 4", "PARAMETER num_thread cannot be honoured: .*--threads"),
        ("FROM a\nPARAMETER mirostat 2", "line 2: PARAMETER mirostat 2 cannot be honoured"),
        ("FROM a\nPARAMETER mirostat_tau 5.0", "line 2: PARAMETER mirostat_tau cannot"),
        ("FROM a\nPARAMETER tfs_z 0.5", r"tfs_z 0\.5 cannot be honoured \(1\.0 is the only"),
        ("FROM a\nPARAMETER typical_p 0.5", "typical_p"),
        ("FROM a\nPARAMETER use_mmap false", "use_mmap false cannot be honoured"),
        ("FROM a\nPARAMETER f16_kv true", "f16_kv cannot be honoured"),
        ("FROM a\nPARAMETER repeat_last_n -2", "line 2: PARAMETER repeat_last_n"),
        ("FROM a\nPARAMETER temperature hot", "line 2: PARAMETER temperature cannot be 'hot'"),
        ("FROM a\nPARAMETER temperature -1", "line 2: PARAMETER temperature: expected"),
        ("FROM a\nPARAMETER temperature nan", "line 2: PARAMETER temperature cannot be 'nan'"),
        ("FROM a\nPARAMETER num_ctx 0", "line 2: PARAMETER num_ctx"),
        ("FROM a\nPARAMETER num_ctx 4096.5", "line 2: PARAMETER num_ctx cannot be"),
        ("FROM a\nPARAMETER num_predict 0", "line 2: PARAMETER num_predict"),
        ("FROM a\nPARAMETER top_p 1.1", "line 2: PARAMETER top_p"),
        ('FROM a\nPARAMETER stop ""', "line 2: PARAMETER stop lacks its text"),
        ("FROM a\nPARAMETER top_k", "line 2: PARAMETER top_k cannot be ''"),
        ("FROM a\nTEMPLATE {% for %}", "line 2: TEMPLATE cannot be used"),
        ("FROM a\nTEMPLATE {{ template }}{{ .Prompt | printf }}", "line 2: TEMPLATE cannot be"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ModelfileError, match=message) as refused:
        read_modelfile(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        *("mirostat 0", "tfs_z 1", "typical_p 1.0", "penalize_newline true", "low_vram false"),
        *("num_batch 512", "num_keep 24", "use_mlock false", "repeat_last_n 0", "numa false"),
    ],
)
def test_values_that_change_nothing_are_accepted(line: str) -> None:
    name = line.split()[0]
    overrides = read_modelfile(f"FROM a\nPARAMETER {line}\n").overrides
    assert overrides.parameters.named() == [name]


@given(st.text(max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ModelfileError):
        read_modelfile(text)


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"a b"', "a b"),
        ('"You are a pirate.\nAnswer briefly."', "You are a pirate.\nAnswer briefly."),
        ('"\n"', "\n"),
        ('" a \n b "  \t', " a \n b "),
        ('"a" b\nc"', 'a" b\nc'),
        ('"" "', '" '),
        ('""a"', '"a'),
        ('""', ""),
        ('""""""', ""),
        ('"""  """', "  "),
        ('"""He said "hi""""', 'He said "hi"'),
        ('"""""""', '"'),
        ('"""a""" b\nc"""', 'a""" b\nc'),
        ('"""a""b"""', 'a""b'),
        ('"""\na\n"""\t', "\na\n"),
        ('a "b"', 'a "b"'),
        ('a"', 'a"'),
        ('a """', 'a """'),
        ("'a'", "'a'"),
        ("a\u2028b\x85c\fd\x1ee", "a\u2028b\x85c\fd\x1ee"),
        ('"a\u2028FROM b"', "a\u2028FROM b"),
        ("a # b", "a # b"),
    ],
)
def test_quotes_are_read_as_ollama_reads_them(written: str, text: str) -> None:
    """A text that begins in quotes ends at the first line that ends in the same."""
    expected = Instruction("system", text, 1)
    below = Instruction("from", "b", written.count("\n") + 3)
    assert parse(f"SYSTEM {written}") == [expected]
    assert parse(f"SYSTEM {written}\n\nFROM b") == [expected, below]
    assert parse(f"LICENSE {written}\n") == [Instruction("license", text, 1)]
    assert parse(f"MESSAGE  user\t{written}") == [Instruction("message", f"user {text}", 1)]
    assert parse(f"parameter stop  {written}") == [Instruction("parameter", f"stop {text}", 1)]


_PRINTED = st.text(st.sampled_from("ab #\n\n"), min_size=1, max_size=20)


@given(_PRINTED, _PRINTED, _PRINTED)
def test_what_ollama_shows_is_read_as_it_meant_it(system: str, stop: str, said: str) -> None:
    text = (
        f'# Modelfile generated by "ollama show"\n\nFROM a\nSYSTEM {_as_ollama_prints(system)}\n'
        f"PARAMETER stop {_as_ollama_prints(stop)}\nLICENSE {_as_ollama_prints(said)}\n"
        f"MESSAGE user {_as_ollama_prints(said)}\nMESSAGE assistant {_as_ollama_prints(stop)}\n"
    )
    assert read_modelfile(text).overrides == Overrides(
        parameters=Parameters(stop=(stop,)),
        system=system,
        messages=(Turn("user", said), Turn("assistant", stop)),
        licenses=(said,),
    )


def _as_ollama_prints(text: str) -> str:
    """One pair of quotes, and only where white space calls for them, if there are none in it."""
    return f'"{text}"' if "\n" in text or text != text.strip(" ") else text


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_three_ways_and_in_no_other(end: str) -> None:
    text = (
        f'FROM a{end}SYSTEM "x{end}y"{end}LICENSE p\u2028q\x85r\x0bs\ft{end}PARAMETER top_k 5{end}'
    )
    assert parse(text) == [
        Instruction("from", "a", 1),
        Instruction("system", f"x{end}y", 2),
        Instruction("license", "p\u2028q\x85r\x0bs\ft", 4),
        Instruction("parameter", "top_k 5", 5),
    ]


@pytest.mark.parametrize("written", ['""', '""""""'])
def test_a_text_that_says_so_is_empty(written: str) -> None:
    text = (
        f"FROM a\nTEMPLATE {written}\nSYSTEM {written}\nMESSAGE user {written}\nLICENSE {written}\n"
    )
    overrides = Overrides(system="", template="", messages=(Turn("user", ""),), licenses=("",))
    assert read_modelfile(text).overrides == overrides
    assert read_modelfile(modelfile_text("a", overrides)).overrides == overrides
