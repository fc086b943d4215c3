curl "BASE_URL_HERE/usage?month=2026-11&by=day" \
  -H "Authorization: Bearer $LLM_HUB_KEY"
