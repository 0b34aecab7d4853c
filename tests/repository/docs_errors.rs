//! `docs/errors.md` and `ErrorKind::wire` say the same.

use std::collections::BTreeMap;

use or_protocol::ErrorKind;
use pretty_assertions::assert_eq;

const PAGE: &str = include_str!("../../docs/errors.md");

const ALL: [ErrorKind; 15] = [
    ErrorKind::InvalidRequest,
    ErrorKind::Unauthorized,
    ErrorKind::Forbidden,
    ErrorKind::NotFound,
    ErrorKind::MethodNotAllowed,
    ErrorKind::Conflict,
    ErrorKind::TooLarge,
    ErrorKind::UnsupportedMediaType,
    ErrorKind::McpServer,
    ErrorKind::TooManyRequests,
    ErrorKind::Server,
    ErrorKind::Storage,
    ErrorKind::Model,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
];

/// Does not compile when a kind is added: then add it to `ALL`, and to the page.
fn name(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::InvalidRequest
        | ErrorKind::Unauthorized
        | ErrorKind::Forbidden
        | ErrorKind::NotFound
        | ErrorKind::MethodNotAllowed
        | ErrorKind::Conflict
        | ErrorKind::TooLarge
        | ErrorKind::UnsupportedMediaType
        | ErrorKind::McpServer
        | ErrorKind::TooManyRequests
        | ErrorKind::Server
        | ErrorKind::Storage
        | ErrorKind::Model
        | ErrorKind::Unavailable
        | ErrorKind::Timeout => format!("{kind:?}"),
    }
}

/// Kind → status and type of the rows between `heading` and the next heading.
fn table(heading: &str) -> BTreeMap<String, (String, String)> {
    let rows = PAGE.lines().skip_while(|line| *line != heading).skip(1).take_while(|l| !l.starts_with("## "));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`')).collect::<Vec<_>>());
    cells
        .filter_map(|cells| match cells.as_slice() {
            ["", kind, status, r#type, ..] if status.parse::<u16>().is_ok() => {
                Some(((*kind).to_owned(), ((*status).to_owned(), (*r#type).to_owned())))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn the_page_lists_every_kind_with_its_status_and_type() {
    let want: BTreeMap<_, _> = ALL
        .into_iter()
        .map(|kind| {
            let (status, r#type) = kind.wire();
            (name(kind), (status.to_string(), r#type.to_owned()))
        })
        .collect();
    assert_eq!(table("## Status and type"), want);
}
