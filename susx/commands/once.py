"""An option that takes one value is given once: of two values the first would be dropped without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from susx.errors import ConfigError

__all__ = ["on_each_child", "refuse_repeats"]


def refuse_repeats(command: Any) -> None:
    """Let a command, and all below it, refuse an option that is given twice and takes one value.

    Options that may be repeated (``multiple``) are left alone, and so are those that end the command at once (``--help``).

    Raises (when the command is run):
        ConfigError: names the option and how often it was given.
    """
    if hasattr(command, "list_commands"):
        on_each_child(command, lambda child, name: refuse_repeats(child))
    make_parser = command.make_parser

    def make_checking_parser(ctx: Any) -> Any:
        parser = make_parser(ctx)
        parse_args = parser.parse_args

        def parse_once(args: list[str]) -> Any:
            values, rest, order = parse_args(args)
            if not ctx.resilient_parsing:
                _check(order)
            return values, rest, order

        parser.parse_args = parse_once
        return parser

    command.make_parser = make_checking_parser


def on_each_child(group: Any, change: Callable[[Any, str], None]) -> None:
    """Change every command below a group when it is looked up; a group may import its commands when they are used."""
    get_command, changed = group.get_command, set()

    def get_changed(ctx: Any, name: str) -> Any:
        child = get_command(ctx, name)
        if child is not None and id(child) not in changed:
            change(child, name)
            changed.add(id(child))
            kept.append(child)
        return child

    kept: list[Any] = []  # so that no identity is used twice
    group.get_command = get_changed


def _check(order: list[Any]) -> None:
    for parameter, times in Counter(order).items():
        single = parameter.param_type_name == "option" and not (
            parameter.multiple or parameter.count or parameter.is_eager
        )
        if single and times > 1:
            flag = max(parameter.opts, key=len)
            raise ConfigError(f"{flag} is given {times} times and takes one value; give it once.")
