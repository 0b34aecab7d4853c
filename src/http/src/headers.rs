//! Headers that decide who asks and who pays: there must be one of each, and it must be readable.

use actix_web::http::header::{AsHeaderName, HeaderMap, HeaderValue};
use or_protocol::{ApiError, ErrorKind};

/// The one header of this name. Two are refused: whatever stands between us and the client may have looked at the other.
pub(crate) fn only_one(
    headers: &HeaderMap,
    name: impl AsHeaderName + AsRef<str>,
) -> Result<Option<&HeaderValue>, ApiError> {
    let text = format!("The header '{}' is given more than once.", name.as_ref());
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("duplicate_header")),
        (value, None) => Ok(value),
    }
}
