//! What requests for a page of a list have in common.

use or_protocol::ApiError;

/// Reads `limit`: how many a page has, from 1 to 100.
pub(crate) fn limit(value: &str) -> Result<usize, ApiError> {
    let number: i64 = value.parse().map_err(|_| {
        let text = "Invalid type for 'limit': expected an integer, but got something else instead.";
        ApiError::invalid("invalid_type", "limit", text)
    })?;
    let (code, side, bound) = match number {
        1..=100 => return Ok(usize::try_from(number).unwrap_or(1)),
        ..1 => ("integer_below_min_value", "below minimum", ">= 1"),
        101.. => ("integer_above_max_value", "above maximum", "<= 100"),
    };
    let text =
        format!("Invalid 'limit': integer {side} value. Expected a value {bound}, but got {number} instead.");
    Err(ApiError::invalid(code, "limit", text))
}
