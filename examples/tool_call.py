"""The arguments of a function, written by the model and passed to the function."""

from typing import Annotated, Literal

from pydantic import Field

import constrain


def get_weather(
    city: Annotated[str, Field(pattern="^[A-Z][a-z]+$", max_length=20)],
    days: Annotated[int, Field(ge=1, le=14)],
    unit: Literal["celsius", "fahrenheit"] = "celsius",
) -> str:
    """What a program would do with the arguments."""
    return f"{days} days of weather for {city} in {unit}"


def main() -> None:
    """Print the arguments that the embedded model writes, and what the function makes of them."""
    model = constrain.load("embedded")
    prompt = "send_money: Al\nget_weather: Rome, Sydney, Bern\nIn Celsius, how warm will Bern be over 14 days?\nCall:\n"
    prompt += '{"name": "get_weather", "arguments": '
    call = constrain.generate(model, prompt, get_weather)
    print(call.text)
    print(get_weather(**call.value))


if __name__ == "__main__":
    main()
