curl -N BASE_URL_HERE/chat/completions \
  -H "Authorization: Bearer $LLM_HUB_KEY" \
  -H "Content-Type: application/json" \
  -d '{"model": "MODEL_HERE", "stream": true,
       "stream_options": {"include_usage": true},
       "messages": [{"role": "user", "content": "Hello"}]}'
