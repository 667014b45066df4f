"""Older tokenizers as `tokenizer.json`, by the library transformers, which is imported when it is called."""

from __future__ import annotations

from pathlib import Path

from soritune.errors import ModelError, reason_of


def converted_tokenizer(folder: Path) -> str:
    """The content of the `tokenizer.json` that transformers makes of the tokenizer in a folder.

    Raises:
        ModelError: it is missing, or transformers has no fast version of it.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        text: str = tokenizer.backend_tokenizer.to_str()
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise ValueError("it has no vocabulary")
    except Exception as error:
        reason = reason_of(error)
        raise ModelError(
            f"{folder} has no tokenizer.json, and transformers cannot make one of its tokenizer ({reason}); choose an "
            "encoder with a fast tokenizer"
        ) from error
    return text
