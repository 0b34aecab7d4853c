//! Ollama /api/chat.
