"""What a conversation is made of, and what `/set` changes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from service.cli.client.asking import Ask, Think
from service.store.overrides import Parameters, Turn


@dataclass(slots=True)
class Session:
    """`form` is "json" or a schema, `system` None leaves the model its own. With `keeps_history`
    what is typed is remembered beyond the session."""

    model: str
    system: str | None = None
    turns: list[Turn] = field(default_factory=list)
    parameters: Parameters = field(default_factory=Parameters)
    form: str | None = None
    think: Think | None = None
    keep_alive: str | None = None
    verbose: bool = False
    hides_thinking: bool = False
    wraps: bool = True
    keeps_history: bool = True
    is_interactive: bool = False

    def ask(self) -> Ask:
        """For the answer to the last turn."""
        system = [] if self.system is None else [Turn("system", self.system)]
        return Ask(
            model=self.model,
            messages=[*system, *self.turns],
            parameters=self.parameters,
            form=self.form,
            think=self.think,
            keep_alive=self.keep_alive,
        )
