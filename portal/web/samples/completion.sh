curl BASE_URL_HERE/completions \
  -H "Authorization: Bearer $LLM_HUB_KEY" \
  -H "Content-Type: application/json" \
  -d '{"model": "MODEL_HERE", "prompt": "Once upon a time", "max_tokens": 50}'
