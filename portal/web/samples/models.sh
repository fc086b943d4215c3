curl BASE_URL_HERE/models -H "Authorization: Bearer $LLM_HUB_KEY"
