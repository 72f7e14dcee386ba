"""Grammars joined to a tokenizer: the vocabulary as a trie, token masks, the state of a sequence.

Knows nothing of models.
"""

if __name__ != "constrain.tokenizer_index":
    raise ImportError(
        "import constrain.tokenizer_index, not tokenizer_index: the classes of two copies would not be the same"
    )
