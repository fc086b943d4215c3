# pip install openai
import os
from openai import OpenAI

client = OpenAI(base_url="BASE_URL_HERE", api_key=os.environ["LLM_HUB_KEY"])

answer = client.chat.completions.create(
    model="MODEL_HERE",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)
print(answer.usage.total_tokens, "tokens")
