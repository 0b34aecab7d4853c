//! One request to a server and its answer, without saying how it travels.

use serde_json::Value;

/// Whose key a request carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// The client's own, if the server wants one.
    First,
    /// Another client's.
    Second,
}

/// A request to the server under test.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// `GET`, `POST` or `DELETE`.
    pub method: &'static str,
    /// From the root of the server, such as `/v1/responses`.
    pub path: String,
    /// The body as it is sent, whether or not it is JSON.
    pub body: Option<String>,
    pub key: Key,
    /// Drop the connection when the body has had this text.
    pub leave_after: Option<&'static str>,
}

impl Request {
    pub(crate) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), body: None, key: Key::First, leave_after: None }
    }

    pub(crate) fn create(body: &Value) -> Self {
        Self { body: Some(body.to_string()), ..Self::new("POST", "/v1/responses") }
    }

    /// The same as a line for a shell, keys masked as variables.
    pub fn curl(&self, url: &str, keyed: bool) -> String {
        let mut line = format!("curl -N -X {} {}", self.method, quote(&format!("{url}{}", self.path)));
        match (self.key, keyed) {
            (Key::Second, _) => line.push_str(" -H \"authorization: Bearer $SECOND_KEY\""),
            (Key::First, true) => line.push_str(" -H \"authorization: Bearer $KEY\""),
            (Key::First, false) => {}
        }
        if let Some(body) = &self.body {
            line.push_str(&format!(" -H 'content-type: application/json' -d {}", quote(body)));
        }
        line
    }
}

fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What came back.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The header of this name, or empty.
    pub content_type: String,
    /// As much of the body as was read.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The beginning of the body, for a person to read.
    pub(crate) fn seen(&self) -> String {
        const MOST: usize = 300;
        let text = String::from_utf8_lossy(&self.body);
        let shown: String = text.chars().take(MOST).collect();
        format!("HTTP {}: {}", self.status, shown.escape_debug())
    }
}

/// Sends requests to the server under test. It bounds each in time and bytes.
pub trait Transport {
    /// Sends one and waits for its end, or until it may leave.
    ///
    /// # Errors
    /// Why there is no whole answer, for a person to read.
    fn send(&self, request: &Request) -> Result<Answer, String>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curl_line_masks_keys_and_quotes_bodies() {
        let mut request = Request::create(&serde_json::json!({"input": "it's"}));
        let line = request.curl("http://h:1", true);
        assert_eq!(
            line,
            "curl -N -X POST 'http://h:1/v1/responses' -H \"authorization: Bearer $KEY\" \
             -H 'content-type: application/json' -d '{\"input\":\"it'\\''s\"}'"
        );
        request.key = Key::Second;
        assert!(request.curl("http://h:1", false).contains("$SECOND_KEY"));
    }
}
