// npm install openai
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: "BASE_URL_HERE",
  apiKey: process.env.LLM_HUB_KEY,
});

const answer = await client.chat.completions.create({
  model: "MODEL_HERE",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(answer.choices[0].message.content);
console.log(answer.usage.total_tokens, "tokens");
