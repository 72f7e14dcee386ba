"""The embedded model: a small Llama that comes with the package, the tasks it was trained on, and its training.

It answers three kinds of requests (see `constrain.embedded.tasks`): tool calls, SQL and arithmetic.  It makes
mistakes, as small models do, so that the effect of a constraint can be seen and measured without a download.
"""

from constrain.embedded.loading import MODEL_FOLDER, load_embedded, load_tokenizer

__all__ = ["MODEL_FOLDER", "load_embedded", "load_tokenizer"]
