"""The words that the synthetic tasks speak of."""

from random import Random

__all__ = [
    "CITIES",
    "COLOURS",
    "DISHES",
    "GENRES",
    "ITEMS",
    "JOBS",
    "MONTHS",
    "NUMBER_COLUMNS",
    "NUMBER_WORDS",
    "PEOPLE",
    "PLACES",
    "TABLES",
    "TEXT_COLUMNS",
    "invented",
]

PEOPLE = tuple(
    """Ada Adam Aisha Alan Alice Amir Anna Anton Ben Bianca Boris Carla Carlos Chloe Clara Dana Daniel David Diego
    Dina Elena Elias Emil Emma Erik Eva Fatima Felix Fiona Frank Georg Grace Hana Hannah Hugo Ida Igor Ines Iris
    Ivan Jack Jana Jonas Jose Julia Karim Kate Kenji Lara Laura Lena Leo Liam Lina Lucas Lucy Luis Maja Marco Maria
    Mark Marta Max Mia Mila Mina Mona Nadia Nina Noah Nora Olga Oliver Omar Oscar Otto Paula Pavel Peter Petra Priya
    Ravi Rita Robin Rosa Ruth Sami Sara Simon Sofia Sven Tara Theo Tom Uma Vera Viktor Wendy Yara Yuki Zoe""".split()
)

CITIES = tuple(
    """Accra Amman Athens Austin Bergen Berlin Bern Bogota Boston Bremen Cairo Calgary Chicago Cork Dakar Dallas
    Delhi Denver Dublin Geneva Genoa Ghent Graz Hamburg Hanoi Havana Helsinki Istanbul Jakarta Kyiv Kyoto Lagos
    Leeds Leipzig Lima Lisbon London Lyon Madrid Malaga Manila Miami Milan Montreal Munich Nairobi Naples Nice
    Osaka Oslo Ottawa Paris Perth Porto Prague Quito Riga Rome Seattle Seoul Seville Sofia Split Sydney Tokyo
    Toronto Tunis Turin Utrecht Venice Vienna Warsaw York Zagreb Zurich""".split()
)

PLACES = tuple(
    """amber aspen atlas aurora basalt bay beech birch canyon cedar cobalt comet copper coral delta dune ember fern
    forest garden glacier granite harbour hazel indigo island ivory jade juniper lagoon lake linden lotus maple
    marble meadow mistral moon moss nebula oak ocean olive onyx opal orchid palm pearl pine prairie quartz reef
    river saffron sage sierra slate spruce summit sunrise terra topaz tulip tundra valley violet willow""".split()
)

DISHES = tuple(
    """bagel burger burrito curry dumpling falafel gnocchi goulash kebab lasagne muffin noodle omelette paella
    pancake pasta pie pizza quiche ramen ravioli risotto salad sandwich soup steak stew sushi taco tofu waffle
    wrap""".split()
)

GENRES = tuple(
    """ambient blues classical country dance disco electronic flamenco folk funk gospel house indie jazz latin metal
    opera pop punk reggae rock salsa samba soul swing tango techno""".split()
)

JOBS = tuple(
    """audit backup billing budget catalogue cleaning contract design draft feedback forecast interview inventory
    invoice launch migration newsletter onboarding packaging payroll planning report research review rollout survey
    testing training translation update""".split()
)

COLOURS = ("red", "green", "blue", "white", "yellow", "purple", "orange", "pink")

ITEMS = tuple(
    """apples bags balls bananas beads blocks books bottles boxes bricks buttons cakes candles cans cards carrots
    chairs cherries clips coins combs cookies crayons cups dolls eggs envelopes erasers feathers flags flowers forks
    games gloves grapes hats jars keys kites lamps leaves lemons letters limes magnets maps marbles medals melons
    mugs nails nuts oranges paintings peaches pears pencils pens photos plants plates plums posters postcards
    potatoes rings rocks roses rulers scarves seeds shells shirts socks spoons stamps stickers stones sweets tickets
    tiles toys tulips""".split()
)

MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip

NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)

TABLES = tuple(
    """accounts albums animals bikes books boats bridges buses cameras cars clients clubs courses devices doctors
    drivers employees events farms films flights games guests hotels houses invoices lakes lamps machines matches
    members mountains museums nurses orders parcels parks patients phones plants players products projects recipes
    rentals rivers rooms routes schools sensors ships shops singers songs stations students suppliers teachers teams
    tickets tools tours towers trains trips trucks vendors visits wines workers""".split()
)

TEXT_COLUMNS = tuple(
    """author band brand breed category chef city class coach colour company country court crew dealer department
    director district editor family field genre guide harbour island kind label language leader league level maker
    manager material mayor model mood owner partner pilot port producer publisher region sector shape size sponsor
    state status street style supplier town trainer type vendor village writer zone""".split()
)

NUMBER_COLUMNS = tuple(
    """age altitude amount area balance budget capacity charge cost count debt delay depth distance doors duration
    fee floors goals height hours income length mass mileage pages pay points power pressure price profit quantity
    rank rating rent revenue salary score seats share speed stars stock storage tax temperature visitors volume wage
    weight width wins year""".split()
)

_ONSETS = "b br c d dr f g gl h j k kr l m n p pl r s st t tr v w z".split()
_VOWELS = "a e i o u".split()
_CODAS = "l n r s t x".split()


def invented(random: Random) -> str:
    """A word that no list has: two syllables, in small letters."""
    first = random.choice(_ONSETS) + random.choice(_VOWELS) + random.choice(["", *_CODAS])
    return first + random.choice(_ONSETS) + random.choice(_VOWELS) + random.choice(_CODAS)
