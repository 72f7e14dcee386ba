"""Facts from a sentence as an object of a Pydantic class."""

from typing import Literal

from pydantic import BaseModel, Field

import constrain


class Weather(BaseModel):
    """What is asked for."""

    city: str = Field(min_length=1, max_length=30)
    days: int = Field(ge=1, le=14)
    unit: Literal["celsius", "fahrenheit"]


def main() -> None:
    """Print the object that the embedded model finds."""
    model = constrain.load("embedded")
    prompt = "get_weather: Oslo, Rome\nShow 5 days of weather for Oslo in Celsius.\nCall:\n"
    weather = constrain.generate(model, prompt, Weather).value
    print(repr(weather))
    assert isinstance(weather, Weather)


if __name__ == "__main__":
    main()
