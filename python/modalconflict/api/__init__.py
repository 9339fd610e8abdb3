"""Records from a model behind an OpenAI-compatible server (vLLM, the llama.cpp server, a hosted API).

The same three runs of each case are asked for over HTTP, with the logprobs of the answer's first token; what is read
becomes records that the same analysis takes. A server names only its best tokens, so the entropy is a bound.
"""

from __future__ import annotations

from modalconflict.api.bounds import Bounds, entropy_bounds
from modalconflict.api.client import Answer, ChatClient
from modalconflict.api.study import ApiOptions, run

__all__ = ["Answer", "ApiOptions", "Bounds", "ChatClient", "entropy_bounds", "run"]
