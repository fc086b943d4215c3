curl BASE_URL_HERE/chat/completions \
  -H "Authorization: Bearer $LLM_HUB_KEY" \
  -H "Content-Type: application/json" \
  -d '{"model": "MODEL_HERE",
       "messages": [{"role": "user", "content": "Hello"}]}'
