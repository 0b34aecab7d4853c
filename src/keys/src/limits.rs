//! What one key may take: of the server at a time, and of the models in a time.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::KeyError;

/// Shares of the server, in place of those of `[key_limits]`; what is not given is as that table has it, and 0 is the share
/// that follows from the whole server.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnLimits {
    /// Responses in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    /// Background responses in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_background: Option<usize>,
    /// Readers of stored event logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_readers: Option<usize>,
    /// Programs of tools and MCP servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tool_processes: Option<usize>,
    /// Open sessions with MCP servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_mcp_sessions: Option<usize>,
    /// Bytes of stored responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stored_bytes: Option<u64>,
    /// Stored responses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_stored_responses: Option<u64>,
}

impl OwnLimits {
    /// The same ranges as in a configuration.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        let counts = [
            ("max_concurrent", self.max_concurrent),
            ("max_background", self.max_background),
            ("max_readers", self.max_readers),
            ("max_tool_processes", self.max_tool_processes),
            ("max_mcp_sessions", self.max_mcp_sessions),
        ];
        for (name, count) in counts {
            within(&format!("limits.{name}"), count.map(|count| count as u64), 0, 1_000_000)?;
        }
        within("limits.max_stored_bytes", self.max_stored_bytes, 0, 1 << 50)?;
        within("limits.max_stored_responses", self.max_stored_responses, 0, 1 << 40)
    }
}

/// How much a key may ask for in any minute; `None`: no bound of its own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rates {
    /// Requests that call a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
}

impl Rates {
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        within("rates.requests_per_minute", self.requests_per_minute, 1, 1 << 40)?;
        within("rates.tokens_per_minute", self.tokens_per_minute, 1, 1 << 40)
    }
}

/// How much a key may use in a day and in a month, which begin at midnight UTC; `None`: no bound of its own.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// Tokens, input and output together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// The same in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<u64>,
    /// Money, by the price table of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<Usd>,
    /// The same in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_month: Option<Usd>,
}

impl Budgets {
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        within("budgets.tokens_per_day", self.tokens_per_day, 1, 1 << 50)?;
        within("budgets.tokens_per_month", self.tokens_per_month, 1, 1 << 50)
    }
}

fn within(param: &str, value: Option<u64>, from: u64, to: u64) -> Result<(), KeyError> {
    match value {
        Some(value) if !(from..=to).contains(&value) => {
            let text = format!("'{param}' must be from {from} to {to}, found {value}.");
            Err(KeyError::Invalid { param: param.to_owned(), text })
        }
        Some(_) | None => Ok(()),
    }
}

/// An amount of US dollars, in millionths; as JSON the number of dollars.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Usd {
    /// Millionths of a dollar.
    pub micros: u64,
}

impl Usd {
    /// Largest amount, in dollars.
    const MAX: f64 = 1e9;
    const MICROS: f64 = 1e6;
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        // Exact: 10^15 millionths are below 2^53.
        to.serialize_f64(self.micros as f64 / Self::MICROS)
    }
}

impl<'de> Deserialize<'de> for Usd {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let dollars = f64::deserialize(from)?;
        if (0.0..=Self::MAX).contains(&dollars) {
            return Ok(Self { micros: (dollars * Self::MICROS).round() as u64 });
        }
        Err(serde::de::Error::custom(format!("an amount is from 0 to {} dollars", Self::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_keeps_its_millionths() {
        for (json, micros) in
            [("0", 0), ("12.5", 12_500_000), ("0.000001", 1), ("1000000000", 1_000_000_000_000_000)]
        {
            let usd: Usd = serde_json::from_str(json).unwrap();
            assert_eq!(usd.micros, micros);
            let again: Usd = serde_json::from_value(serde_json::to_value(usd).unwrap()).unwrap();
            assert_eq!(again, usd);
        }
        for bad in ["-1", "1e10", "\"1\""] {
            assert!(serde_json::from_str::<Usd>(bad).is_err(), "{bad}");
        }
    }
}
