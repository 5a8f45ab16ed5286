"""Language models that answer one question: any OpenAI-compatible endpoint, or a local transformers model."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from susx.config import LanguageModelConfig
from susx.errors import ConfigError, GenerationError
from susx.seeds import derive_seed

__all__ = ["LanguageModel", "load_language_model"]

logger = logging.getLogger(__name__)

MAX_TOKENS = 1024


@runtime_checkable
class LanguageModel(Protocol):
    """Answers questions; ``name`` says which model, for the record."""

    name: str

    def ask(self, question: str, instruction: str, attempt: int) -> str:
        """Return the answer.

        Raises:
            GenerationError: there is none, after the retries that the failure deserves.
        """
        ...


class OpenAIModel:
    """Chat completions through the ``openai`` package, which retries 408, 409, 429, 5xx and lost connections."""

    def __init__(self, config: LanguageModelConfig) -> None:
        import openai

        base_url = config.base_url or os.environ.get("OPENAI_BASE_URL")
        key = os.environ.get("OPENAI_API_KEY")
        if not key and not base_url:
            raise ConfigError(
                "No language model to ask: set OPENAI_API_KEY, or OPENAI_BASE_URL (or language_model.base_url in the"
                " profile) to a server of your own such as vLLM or Ollama, or use language_model.backend=transformers."
            )
        if not config.model:
            raise ConfigError(
                "Set language_model.model in the profile: the name of the model at the endpoint."
            )
        self._config = config
        self._openai = openai
        self._client = openai.OpenAI(
            # Servers of one's own mostly want no key, but the client refuses to be without.
            api_key=key or "none",
            base_url=base_url,
            timeout=config.timeout,
            max_retries=config.attempts - 1,
        )
        self.name = config.model
        self.where = str(self._client.base_url)

    def ask(self, question: str, instruction: str, attempt: int) -> str:
        """Ask the endpoint (see :class:`LanguageModel`)."""
        try:
            completion = self._client.chat.completions.create(
                model=self._config.model,
                temperature=self._config.temperature,
                max_tokens=MAX_TOKENS,
                messages=[{"role": "system", "content": instruction}, {"role": "user", "content": question}],
            )
            # A server that speaks another protocol gives an object without choices, or a bare string.
            return completion.choices[0].message.content or ""
        except self._openai.OpenAIError as error:
            raise GenerationError(self._explain(error)) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise GenerationError(
                f"{self.where} does not answer as a chat-completions endpoint does; is the base URL right (it often"
                " ends in /v1)?"
            ) from error

    def _explain(self, error: Exception) -> str:
        status = getattr(error, "status_code", None)
        what = f"answered {status}" if status else type(error).__name__
        advice = {
            400: "The request was refused; check the model's name.",
            401: "Check OPENAI_API_KEY.",
            403: "The key may not use this model.",
            404: f"Check the base URL and that the model '{self.name}' exists there.",
            429: "Wait, or ask fewer classes at a time (language_model.workers).",
        }.get(status or 0, "Check that the server runs and can be reached, or raise language_model.timeout.")
        reason = " ".join(str(error).split())[:200]
        return f"{self.where} {what} after {self._config.attempts} attempts ({reason}). {advice}"


class TransformersModel:
    """A causal language model on this machine. Its answers depend on the question and the attempt alone."""

    def __init__(self, config: LanguageModelConfig) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if not config.model:
            raise ConfigError(
                "Set language_model.model in the profile: a hub id or folder of a causal language model."
            )
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(config.model)  # type: ignore[no-untyped-call]
            model: Any = AutoModelForCausalLM.from_pretrained(config.model)
            self._model: Any = model.eval()
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise ConfigError(f"The language model '{config.model}' cannot be loaded: {reason}") from error
        self._config = config
        self.name = config.model
        self.where = "this machine"

    def ask(self, question: str, instruction: str, attempt: int) -> str:
        """Sample an answer (see :class:`LanguageModel`)."""
        import torch

        if self._tokenizer.chat_template:
            messages = [{"role": "system", "content": instruction}, {"role": "user", "content": question}]
            text = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        else:
            text = f"{instruction}\n\n{question}\n\n"
        inputs = self._tokenizer(text, return_tensors="pt")
        sampling = (
            {"do_sample": True, "temperature": self._config.temperature} if self._config.temperature else {}
        )
        with torch.random.fork_rng(devices=[]), torch.inference_mode():
            # transformers draws from the global generator; it is put back afterwards.
            torch.manual_seed(derive_seed(0, "answer", self.name, text, attempt) % 2**32)
            output = self._model.generate(
                **inputs, max_new_tokens=MAX_TOKENS, pad_token_id=self._tokenizer.eos_token_id, **sampling
            )
        return str(
            self._tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        )


_BACKENDS: dict[str, Callable[[LanguageModelConfig], LanguageModel]] = {
    "openai": OpenAIModel,
    "transformers": TransformersModel,
}


def load_language_model(config: LanguageModelConfig) -> LanguageModel:
    """Return the model of a configuration.

    Raises:
        ConfigError: no endpoint, no model, or a model that cannot be loaded.
    """
    return _BACKENDS[config.backend](config)
