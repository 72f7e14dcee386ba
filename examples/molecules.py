"""A grammar of a domain: small molecules as SMILES, checked for their valences while they are written.

A context-free grammar knows that branches and rings are well-formed, not that an atom has as many bonds as it can; that
is a predicate.  The embedded model knows nothing of chemistry: what it is steered to is what its letters make likely.
"""

import numpy as np

import constrain

SMILES = """
start: atom chain~0..5
chain: BOND? (atom | "(" BOND? atom ")" atom)
BOND: "=" | "#"
atom: "C" | "N" | "O" | "F"
"""
VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1}


def bonds_fit(text: str) -> bool:
    """Whether no atom has more bonds than its valence, for chains with branches."""
    free: list[int] = []  # bonds left of each atom on the path, the last one first
    stack: list[int] = []
    order, last = 1, -1
    for character in text:
        if character in "=#":
            order = "-=#".index(character) + 1
        elif character == "(":
            stack.append(last)
        elif character == ")":
            last = stack.pop()
        else:
            free.append(VALENCE[character])
            if last >= 0:
                free[last] -= order
                free[-1] -= order
            last, order = len(free) - 1, 1
    return all(bonds >= 0 for bonds in free)


def main() -> None:
    """Print molecules, all of which pass."""
    model = constrain.load("embedded")
    molecules = constrain.Checked(constrain.compile(constrain.lark(SMILES), model.index), prefix=bonds_fit)
    prompt, rng = model.encode("Methane CC, ethanol CCO, "), np.random.default_rng(3)
    samples = constrain.AWRS(temperature=3.0).draw(model, prompt, molecules, 20, rng, max_new_tokens=12)
    texts = sorted({sample.text for sample in samples if not sample.failed})
    print("\n".join(texts))
    assert texts
    assert all(map(bonds_fit, texts))


if __name__ == "__main__":
    main()
