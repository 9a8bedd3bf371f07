//! Secrets: password hashes, API keys, session tokens and sealed provider keys.
