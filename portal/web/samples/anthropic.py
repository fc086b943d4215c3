# pip install anthropic
import os
from anthropic import Anthropic

# The library adds /v1 itself.
client = Anthropic(base_url="PUBLIC_URL_HERE", api_key=os.environ["LLM_HUB_KEY"])
answer = client.messages.create(
    model="MODEL_HERE",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.content[0].text)
print(answer.usage.output_tokens, "tokens")
