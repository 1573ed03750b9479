"""`retort completion`: prints a script by which a shell completes the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from service.cli.arguments import VerbParser, stated_settings
from service.cli.errors import WrongUsage
from service.cli.verb import VERBS, find
from service.store.packages import Store

_SCRIPTS = {
    "bash": """\
# source <(retort completion bash)
_retort() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \\t\\n'
    local -a typed=($line)
    [[ $line == *[[:space:]] ]] && typed+=("")
    local word=${typed[${#typed[@]}-1]}
    IFS=$'\\n'
    COMPREPLY=($(retort completion words -- "${typed[@]:1}" 2>/dev/null))
    # Bash takes what follows a colon for a word of its own.
    [[ $COMP_WORDBREAKS == *:* && $word == *:* ]] &&
        COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}")
}
complete -o default -F _retort retort
""",
    "zsh": """\
# source <(retort completion zsh)
_retort() {
    local -a found
    found=("${(@f)$(retort completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    [[ -n "$found[1]" ]] && compadd -a found || _files
}
compdef _retort retort
""",
    "fish": """\
# retort completion fish | source
function __retort_words
    set -l tokens (commandline -opc) (commandline -ct)
    retort completion words -- $tokens[2..] 2>/dev/null
end
complete -c retort -a '(__retort_words)'
""",
    "powershell": """\
# retort completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName retort -ScriptBlock {
    param($word, $ast, $cursor)
    $typed = @($ast.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" })
    if ($word -eq '') { $typed += '""' }
    retort completion words -- @typed 2>$null | ForEach-Object {
        [System.Management.Automation.CompletionResult]::new($_)
    }
}
""",
}
_WORDS = "words"


def run(arguments: Sequence[str]) -> int:
    """The exit status, 0."""
    options = parser().parse_args(arguments)
    if options.shell == _WORDS:
        typed = [word for word in options.typed if word != "--"]
        print("\n".join(candidates(typed or [""])))
    else:
        print(_SCRIPTS[options.shell], end="")
    return 0


def parser() -> VerbParser:
    parser = VerbParser("completion", __doc__)
    parser.add_argument("shell", choices=[*_SCRIPTS, _WORDS], metavar="|".join(_SCRIPTS))
    parser.add_argument("typed", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    return parser


def candidates(typed: Sequence[str]) -> list[str]:
    """What the last of the words behind `retort` may become: verbs, flags or models."""
    *before, word = [text.strip('"') for text in typed]
    if not before:
        known = [name for verb in VERBS for name in (verb.name, *verb.aliases)]
    else:
        known = _of_verb(before[0], word)
    return sorted(name for name in known if name.startswith(word))


def _of_verb(name: str, word: str) -> list[str]:
    verb = find(name)
    if verb is None:
        return []
    if not word.startswith("-"):
        return _models() if verb.takes_models else []
    parser = verb.parser()
    return [] if parser is None else [*parser.flags()]


def _models() -> list[str]:
    try:
        return [str(name) for name in Store(stated_settings().models_folder).names()]
    except WrongUsage:
        return []
