"""Invented readers: any likeness is chance."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_FIRST: Final = """
Aileen Amir Bronwen Callum Ceri Dilys Donal Edith Ewan Farah Gareth Gwen Harpreet Hamish Ida Imran
Isla Jean Joyce Kamal Keir Leila Lorna Maeve Malik Marjorie Moira Nadia Nerys Niall Olwen Oona
Parveen Percy Rhona Rosa Sanjay Sheila Sorcha Tariq Una Vera Wilf Winifred Yasmin Zara
""".split()
_LAST: Final = """
Ackroyd Ahmed Anand Braithwaite Brennan Calder Chaudhry Clegg Cowan Dempster Docherty Evans Farrow
Ferris Garside Gill Hargreaves Hughes Iqbal Ince Jardine Kaur Kearney Lomax Lowther Mahmood McAra
Mistry Nuttall Okafor Owens Parry Pickles Quinn Rafferty Rees Sandhu Shaw Sutcliffe Tait Thackray
Upton Varley Walsh Wragg Yates
""".split()
_POSTCODES: Final = """
LS1/4AB M4/1QQ G1/2DD EH1/3XX CF10/1ZZ BT1/5WW L1/6YY NE1/7RR S1/2NN BS1/4MM DH1/3KK SA1/5LL
NG1/6JJ HU1/2HH PL1/3FF E8/4EE N16/5CC SE15/6BB DD1/7AA PR1/8SS
""".split()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who does not exist."""

    name: str
    email: str
    postcode: str
    address: str  # of a network kept for measurements, so that it is nobody's


def people(dice: random.Random) -> Iterator[Person]:
    """Invent one person after another, no two alike."""
    names = [(first, last) for first in _FIRST for last in _LAST]
    dice.shuffle(names)
    for number, (first, last) in enumerate(names):
        yield Person(
            name=f"{first} {last}",
            email=f"{first}.{last}@example.org".lower(),
            postcode=dice.choice(_POSTCODES).replace("/", " "),
            address=f"198.18.{number // 250}.{number % 250 + 1}",
        )
