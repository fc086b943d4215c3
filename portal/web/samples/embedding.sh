curl BASE_URL_HERE/embeddings \
  -H "Authorization: Bearer $LLM_HUB_KEY" \
  -H "Content-Type: application/json" \
  -d '{"model": "MODEL_HERE", "input": "A text to be found again"}'
