"""Samplers from fast and biased to exact, on one contract (`constrain.decoders.contract`).

==========================  =========================================================================
module                      what it has
==========================  =========================================================================
scoring, tables, products   models: laws of the next token after prefixes
languages, checkers         constraints: grammars, budgets, Python predicates
chance                      all randomness
trie, trie_files, descents  what has been learned about a language, and how samples are drawn with it
rejection, adaptive, mcmc   samplers on the trie
race, proposals, smc        adaptive weighted rejection, sequential Monte Carlo
estimators                  what samples say: log Z, effective sample size, best, majority
pressure, pictures          where a grammar fights the model
==========================  =========================================================================
"""

from constrain.decoders.samplers.adaptive import CARS, MARS, ASAp, Masking
from constrain.decoders.samplers.checkers import Checked
from constrain.decoders.samplers.mcmc import MCMC
from constrain.decoders.samplers.products import Product
from constrain.decoders.samplers.rejection import Rejection
from constrain.decoders.samplers.smc import AWRS, SMC
from constrain.decoders.samplers.tables import Table
from constrain.decoders.samplers.trie import TokenTrie

__all__ = [
    "AWRS",
    "CARS",
    "MARS",
    "MCMC",
    "SMC",
    "ASAp",
    "Checked",
    "Masking",
    "Product",
    "Rejection",
    "Table",
    "TokenTrie",
]
