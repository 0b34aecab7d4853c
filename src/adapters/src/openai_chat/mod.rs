//! OpenAI Chat Completions and compatible hosts.
