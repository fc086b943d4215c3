package subscription

import "llmhub/secret"

// Prefix starts every key.
const Prefix = "sk-lh-"

// tokenForm is that of the keys' texts.
const tokenForm secret.TokenForm = Prefix
