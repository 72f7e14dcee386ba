"""A language of one's own, in Lark's syntax, streamed while it is written."""

import constrain

ROUTES = r"""
start: step (", then " step)~0..3
step: "walk " NUMBER " m " DIRECTION | "turn " SIDE
DIRECTION: "north" | "south" | "east" | "west"
SIDE: "left" | "right"
NUMBER: /[1-9][0-9]{1,2}/
"""


def main() -> None:
    """Print a route as it is written, and where the model had a choice at the beginning."""
    model = constrain.load("embedded")
    grammar = constrain.lark(ROUTES)
    stream = constrain.stream(model, "How do I get to the station?\n", grammar, max_new_tokens=80)
    for piece in stream:
        print(piece, end="", flush=True)
    print()

    constraint = constrain.compile(grammar, model.index)
    assert constraint.accepts(stream.result.text)
    matcher = constraint.matcher()
    matcher.accept_text("walk 20")
    allowed = [model.index.tokens[token].decode() for token in matcher.allowed_tokens()]
    print("after 'walk 20':", allowed)


if __name__ == "__main__":
    main()
