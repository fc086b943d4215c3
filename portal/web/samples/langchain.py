# pip install langchain-openai
import os
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="BASE_URL_HERE",
    api_key=os.environ["LLM_HUB_KEY"],
    model="MODEL_HERE",
)
print(model.invoke("Hello").content)
