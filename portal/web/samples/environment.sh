export LLM_HUB_KEY="…"                      # the key, as it was shown once
export LLM_HUB_BASE_URL="BASE_URL_HERE"

# These two are read by the OpenAI libraries by themselves.
export OPENAI_API_KEY="$LLM_HUB_KEY"
export OPENAI_BASE_URL="$LLM_HUB_BASE_URL"
