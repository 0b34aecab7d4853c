//! Requests for approval, and the client's answers.
//!
//! The id of a request is signed over all that is approved: owner and address of the server, its label, the tool,
//! the arguments. So an answer is good for exactly that call, wherever the request was kept meanwhile.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use hmac::{Hmac, KeyInit as _, Mac as _};
use or_protocol::{ApiError, Item, ItemId, McpApprovalRequest, McpItem, Path, ResponseId};
use sha2::Sha256;

/// Bytes of the signature that an id carries.
const MAC_BYTES: usize = 16;
/// Most approvals of one request; each may be a call that has to be run and remembered.
const MAX_ANSWERS: usize = 1_000;

/// A request for approval, as its item says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApprovalRequest {
    /// Id of the item.
    pub id: String,
    /// The server's label.
    pub label: String,
    /// The server's name of the tool.
    pub name: String,
    /// As the model wrote them.
    pub arguments: String,
}

/// A client's answer that has not been acted upon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApprovalAnswer {
    /// To what.
    pub request: ApprovalRequest,
    /// Yes or no.
    pub approve: bool,
    /// Path of the answer in the request, for errors.
    pub param: String,
}

impl ApprovalRequest {
    fn of(item: &McpApprovalRequest) -> Option<Self> {
        Some(Self {
            id: item.id.clone()?,
            label: item.server_label.clone()?,
            name: item.name.clone()?,
            arguments: item.arguments.clone()?,
        })
    }

    /// Whether this is what was asked: by this server's key, for the server of this identity.
    pub fn is_genuine(&self, key: &[u8; 32], identity: &str) -> bool {
        let Some((head, mac)) =
            self.id.len().checked_sub(2 * MAC_BYTES).and_then(|at| self.id.split_at_checked(at))
        else {
            return false;
        };
        let mac: Option<Vec<u8>> =
            (0..MAC_BYTES).map(|at| u8::from_str_radix(mac.get(2 * at..2 * at + 2)?, 16).ok()).collect();
        let signed = signature(key, head, identity, &self.label, &self.name, &self.arguments);
        // In a time that does not depend on where they differ.
        mac.is_some_and(|mac| signed.is_some_and(|signed| signed.verify_truncated_left(&mac).is_ok()))
    }
}

/// The id of a request for approval that is output item `index` of a response.
pub(crate) fn approval_id(
    key: &[u8; 32],
    response: &ResponseId,
    index: usize,
    identity: &str,
    [label, name, arguments]: [&str; 3],
) -> String {
    let head = ItemId::output("mcpr", response, index);
    let mac = signature(key, &head, identity, label, name, arguments).map(|mac| mac.finalize().into_bytes());
    let mac: String = mac.iter().flatten().take(MAC_BYTES).map(|byte| format!("{byte:02x}")).collect();
    head + &mac
}

fn signature(
    key: &[u8; 32],
    head: &str,
    identity: &str,
    label: &str,
    name: &str,
    arguments: &str,
) -> Option<Hmac<Sha256>> {
    // Keys of any length are good.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    for part in [head, identity, label, name, arguments] {
        // With its length, so that nothing can move from one part to the next.
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part.as_bytes());
    }
    Some(mac)
}

/// The answers among the request's own input that are still to be acted upon. `items`: the whole context,
/// `input` the place of the request's own items in it. `ours`: whether this server calls the server of a label.
///
/// An answer to a call whose result is in the context is history.
///
/// # Errors
/// 400 if an answer is malformed, has no request, or is not the only one.
pub fn find_answers(
    items: &[Item],
    input: Range<usize>,
    ours: impl Fn(&str) -> bool,
) -> Result<Vec<ApprovalAnswer>, ApiError> {
    let mut answered = HashSet::new();
    let mut found = Vec::new();
    let mut requests = HashMap::new();
    let results = results(items);
    for (at, item) in items.iter().enumerate() {
        let answer = match item {
            Item::Mcp(McpItem::ApprovalResponse(answer)) => answer,
            // The last one before an answer is what it answers.
            Item::Mcp(McpItem::ApprovalRequest(request)) => {
                if let (Some(id), Some(asked)) = (&request.id, ApprovalRequest::of(request)) {
                    requests.insert(id.as_str(), asked);
                }
                continue;
            }
            _ => continue,
        };
        let parent = Path::Key(&Path::Root, "input");
        let path = Path::Index(&parent, at.saturating_sub(input.start));
        let answer = match answer.decision(path) {
            Ok(answer) => answer,
            Err(error) if input.contains(&at) => return Err(error),
            Err(_) => continue,
        };
        let param = || Path::Key(&path, "approval_request_id").to_string();
        let id = answer.approval_request_id;
        if !answered.insert(id.clone()) && input.contains(&at) {
            let text = format!("The approval request '{id}' was answered before.");
            return Err(ApiError::invalid("approval_already_answered", param(), text));
        }
        if !input.contains(&at) || results.contains(id.as_str()) {
            continue;
        }
        match requests.get(id.as_str()).cloned() {
            Some(request) if ours(&request.label) => {
                if found.len() >= MAX_ANSWERS {
                    let text = format!("Invalid 'input': expected at most {MAX_ANSWERS} approval responses.");
                    return Err(ApiError::invalid("array_above_max_length", "input", text));
                }
                found.push(ApprovalAnswer { request, approve: answer.approve, param: param() });
            }
            Some(_) => {}
            None => {
                let text =
                    format!("No approval request found for approval response with approval_request_id {id}.");
                return Err(ApiError::invalid("approval_request_not_found", param(), text));
            }
        }
    }
    Ok(found)
}

/// Ids of the requests whose calls are in the context.
fn results(items: &[Item]) -> HashSet<&str> {
    items
        .iter()
        .filter_map(|item| match item {
            Item::Mcp(McpItem::Call(call)) => call.approval_request_id.as_deref(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    fn request() -> ApprovalRequest {
        let (label, name, arguments) = ("a".to_owned(), "b".to_owned(), "{}".to_owned());
        let response = ResponseId::parse("resp_0190000000007000800000000000abcd").unwrap();
        let id = approval_id(&KEY, &response, 3, "here", [&label, &name, &arguments]);
        ApprovalRequest { id, label, name, arguments }
    }

    #[test]
    fn an_id_names_its_place_and_is_signed() {
        let id = request().id;
        assert!(id.starts_with("mcpr_0190000000007000800000000000abcd0003"), "{id}");
        assert_eq!(id.len(), 5 + 32 + 4 + 32);
        assert_eq!(ItemId::response_of(&id).unwrap().as_str(), "resp_0190000000007000800000000000abcd");
        assert!(request().is_genuine(&KEY, "here"));
    }

    #[test]
    fn nothing_of_it_can_be_altered() {
        let check = |request: ApprovalRequest| assert!(!request.is_genuine(&KEY, "here"), "{request:?}");
        assert!(!request().is_genuine(&[8; 32], "here"));
        assert!(!request().is_genuine(&KEY, "elsewhere"));
        check(ApprovalRequest { label: "b".into(), ..request() });
        check(ApprovalRequest { name: "c".into(), ..request() });
        check(ApprovalRequest { arguments: "{ }".into(), ..request() });
        // What moves from one part to another is another call.
        check(ApprovalRequest { name: "b{".into(), arguments: "}".into(), ..request() });
        check(ApprovalRequest { id: request().id.replace("0003", "0004"), ..request() });
        for id in ["", "mcpr_0", "€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€€"]
        {
            check(ApprovalRequest { id: id.into(), ..request() });
        }
    }
}
