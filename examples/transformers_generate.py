"""``generate`` of `transformers`, with a batch and beams, kept within a JSON Schema by a logits processor."""

import json

import constrain

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"enum": ["get_weather", "find_flight"]},
        "city": {"type": "string", "pattern": "^[A-Z][a-z]{2,10}$"},
    },
    "required": ["name", "city"],
    "additionalProperties": False,
}
PROMPTS = ["What is the weather in Oslo?\nCall:\n", "Find a flight to Rome.\nCall:\n"]


def main() -> None:
    """Print the answers to both prompts; any causal language model and its tokenizer would do."""
    model = constrain.load("embedded")
    hf_model, hf_tokenizer = model.hf_model, model.hf_tokenizer
    hf_tokenizer.padding_side = "left"

    constraint = constrain.compile(constrain.json_schema(SCHEMA), model.index)
    inputs = hf_tokenizer(PROMPTS, return_tensors="pt", padding=True, return_token_type_ids=False)
    output = hf_model.generate(
        **inputs,
        num_beams=2,
        do_sample=False,
        max_new_tokens=60,
        logits_processor=[constraint.logits_processor(max_new_tokens=60)],
    )
    answers = hf_tokenizer.batch_decode(output[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    for answer in answers:
        print(json.loads(answer))


if __name__ == "__main__":
    main()
