"""Logits in, tokens out: masking and samplers; knows nothing of how a grammar was written."""

if __name__ != "constrain.decoders":
    raise ImportError("import constrain.decoders: two copies would have different classes")
