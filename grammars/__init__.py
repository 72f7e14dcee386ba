"""Languages: regular expressions, context-free grammars, JSON Schema and Python types, all in one small form.

Knows nothing of tokenizers and models.
"""

if __name__ != "constrain.grammars":
    raise ImportError("import constrain.grammars: two copies would have different classes")
