"""Facts from a sentence as an object of a Pydantic class."""

from typing import Literal

from pydantic import BaseModel, Field

import constrain


class Weather(BaseModel):
    """What is to be looked up."""

    city: str = Field(min_length=1, max_length=30)
    days: int = Field(ge=1, le=14)
    unit: Literal["celsius", "fahrenheit"]


class Request(BaseModel):
    """What is asked for."""

    name: Literal["get_weather"]
    arguments: Weather


def main() -> None:
    """Print the object that the embedded model finds."""
    model = constrain.load("embedded")
    prompt = "send_money: Al\nget_weather: Rome, Sydney, Bern\nIn Celsius, how warm will Bern be over 14 days?\nCall:\n"
    request = constrain.generate(model, prompt, Request).value
    print(repr(request))
    assert isinstance(request, Request)


if __name__ == "__main__":
    main()
