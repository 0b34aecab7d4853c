//! What a request may hold at most. Each bound has its source or its reason; what is above is a 400 at decoding.
//!
//! Bytes are bounded by the server's limit for bodies. These bounds are for what costs more than its bytes.

/// Longest string content and longest opaque blob, in characters. Source: the schemas of OpenAI's API.
pub const MAX_TEXT: usize = 10_485_760;
/// Longest call id and function name, in characters. Source: the same.
pub const MAX_NAME: usize = 64;
/// Longest URL of an image, data URLs included, in characters. Source: the same.
pub const MAX_IMAGE_URL: usize = 20_971_520;
/// Longest data of a file, in characters. Source: the same.
pub const MAX_FILE_DATA: usize = 33_554_432;
/// Longest `prompt_cache_key`, in characters. Source: the same.
pub const MAX_IDENTIFIER: usize = 64;
/// Longest `safety_identifier`, in characters. Source: the types of OpenAI's packages of November 2026.
pub const MAX_SAFETY_IDENTIFIER: usize = 128;
/// Longest `user`, in characters. OpenAI names none; it is an id, and every answer echoes it.
pub const MAX_USER: usize = 512;
/// Most items of an input. Source: the schemas of OpenAI's API.
pub const MAX_ITEMS: usize = 100_000;
/// Most content parts of a message or of a tool's result, annotations of a text and parts of a reasoning item.
/// A message that was streamed has a handful; one costs some three hundred bytes of memory.
pub const MAX_PARTS: usize = 10_000;
/// Most tools of a request, those inside namespaces counted. OpenAI takes 128; no model chooses well among more.
pub const MAX_TOOLS: usize = 1_000;
/// Most bytes of all tools of a request, without blanks. A thousand tools of usual size have half of it.
pub const MAX_TOOLS_BYTES: usize = 4 * 1024 * 1024;
/// Most bytes of one JSON Schema, without blanks. The largest in use are a tenth of it.
pub const MAX_SCHEMA_BYTES: usize = 1024 * 1024;
/// Most values of one JSON Schema, where a member of an object counts as one. As a tree a value costs up to 250
/// bytes, so that a schema costs 16 MiB at most. OpenAI takes 5,000 properties.
pub const MAX_SCHEMA_VALUES: usize = 65_536;
/// Most members of an object that is kept as it came: an item, a tool, a choice, an annotation. OpenAI's largest
/// has some thirty.
pub const MAX_MEMBERS: usize = 1_000;
/// Most members of one object that have no form of their own here. OpenAI's requests have about ten.
pub const MAX_EXTRA: usize = 64;
/// Most bytes of such members of a request's body and of its `reasoning`, `text` and `stream_options`, without blanks.
pub const MAX_EXTRA_BYTES: usize = 256 * 1024;
/// Most words of `include`. There are eight of them.
pub const MAX_INCLUDES: usize = 100;
/// Most names in a filter of an MCP server's tools: as many as a server may list.
pub const MAX_FILTER_NAMES: usize = 10_000;
