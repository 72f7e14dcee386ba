"""Exact samples of JSON: what the model would say, given that it obeys the schema; and how likely that is."""

from collections import Counter

import numpy as np

import constrain
from constrain.decoders.samplers.estimators import accepted, log_partition

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"const": "get_weather"},
        "arguments": {
            "type": "object",
            "properties": {"city": {"enum": ["Oslo", "Rome"]}, "days": {"type": "integer", "minimum": 1, "maximum": 9}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "arguments"],
    "additionalProperties": False,
}
PROMPT = "get_weather: Oslo, Rome\nHow will the weather be for the next few days?\nCall:\n"


def main() -> None:
    """Print the distribution of answers, masked and exact."""
    model = constrain.load("embedded")
    prompt = model.encode(PROMPT)
    constraint = constrain.compile(constrain.json_schema(SCHEMA), model.index)
    rng = np.random.default_rng(0)

    masked = constrain.Masking(temperature=0.6).draw(model, prompt, constraint, 20, rng, max_new_tokens=50)
    z = log_partition(masked)
    print(f"log P(a text of the schema) = {z.value:.2f}, between {z.low:.2f} and {z.high:.2f}")

    learned = constrain.TokenTrie()
    exact = accepted(
        constrain.MARS(temperature=0.6, trie=learned), model, prompt, constraint, 20, rng, max_new_tokens=50
    )
    print(f"log P is at most {learned.log_upper_bound:.2f}")
    for name, samples in (("masked", masked), ("exact", exact)):
        print(name)
        for text, count in Counter(sample.text for sample in samples).most_common(3):
            print(f"  {count:3}  {text}")


if __name__ == "__main__":
    main()
