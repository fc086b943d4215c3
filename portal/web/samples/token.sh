curl PUBLIC_URL_HERE/api/v1/subscriptions -H "Authorization: Bearer $LLM_HUB_TOKEN"
