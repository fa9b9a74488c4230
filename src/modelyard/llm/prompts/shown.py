"""What MLflow keeps of a prompt's version: the tags by which `mlflow.genai.load_prompt` reads it."""

import json

from modelyard.generation import Prompt


def mlflow_tags(prompt: Prompt) -> dict[str, str]:
    """MLflow's tags of a prompt: its text, whether it is a chat, and its response schema."""
    chat = [{"role": each.role, "content": each.content} for each in prompt.messages]
    text = json.dumps(chat, ensure_ascii=False) if prompt.chat else prompt.messages[0].content
    tags = {
        "mlflow.prompt.is_prompt": "true",
        "mlflow.prompt.text": text,
        "_mlflow_prompt_type": "chat" if prompt.chat else "text",
    }
    if prompt.response_schema is not None:
        tags["_mlflow_prompt_response_format"] = json.dumps(prompt.response_schema, ensure_ascii=False)
    return tags
