//! Answers to requests for approval: which calls they allow, and that each is used once.

use or_engine::{ApprovalAnswer, ApprovedCall, Mcp};
use or_protocol::{ApiError, ErrorKind, ResponseId};

use crate::running::Running;
use crate::store::StoreHandle;
use or_store::{ApprovalId, ApprovalMark, ApprovalState, Marked, StoreError};

/// The calls that these answers allow.
///
/// # Errors
/// 400 for an answer to something that this server did not ask, that was altered, or that was answered before; 500
/// if the store does not say.
pub(crate) async fn approved(
    running: &Running,
    store: &StoreHandle,
    response: &ResponseId,
    mcp: &Mcp,
    answers: Vec<ApprovalAnswer>,
) -> Result<Vec<ApprovedCall>, ApiError> {
    let mut calls = Vec::new();
    let mut denied = Vec::new();
    for answer in answers {
        let ApprovalAnswer { request, approve, param } = answer;
        let refuse = |code: &str, text: String| Err(ApiError::invalid(code, param.as_str(), text));
        let id = &request.id;
        let Some(server) = mcp.servers.iter().find(|server| server.label == request.label) else {
            let label = &request.label;
            return refuse(
                "mcp_server_missing",
                format!(
                    "The approval request '{id}' is about the MCP server '{label}', which is not in 'tools'."
                ),
            );
        };
        let genuine = request.is_genuine(&mcp.key, &server.identity);
        let Some(place) = ApprovalId::parse(id).filter(|_| genuine) else {
            return refuse(
                "approval_mismatch",
                format!(
                    "The approval request '{id}' is not one that this server made for this MCP server, tool and arguments."
                ),
            );
        };
        if !approve {
            denied.push((place, request.id, param));
            continue;
        }
        if !server.tools.iter().any(|tool| tool.name == request.name) {
            let text = format!("The tool '{}' is not offered or not allowed any more.", request.name);
            return refuse("approval_mismatch", text);
        }
        let mark = store.approval(place).await;
        let unknown = match mark.map_err(|error| failed(&error))? {
            None => false,
            // Of this response before a restart; its progress says more.
            Some(mark) if mark.by == *response => false,
            Some(ApprovalMark { state: ApprovalState::Started, by }) if !running.contains(&by) => true,
            Some(mark) => return Err(used(id, &param, &mark.by)),
        };
        calls.push(ApprovedCall { request, unknown });
    }
    // A request that is refused for another answer decides nothing.
    for (place, id, param) in denied {
        if let Some(by) = deny(store, response, place).await? {
            return Err(used(&id, &param, &by));
        }
    }
    Ok(calls)
}

fn used(id: &str, param: &str, by: &ResponseId) -> ApiError {
    let text = format!("The approval request '{id}' was answered before, for the response '{by}'.");
    ApiError::invalid("approval_already_answered", param, text)
}

/// A no is for good, too, and may be said again. The response that used the approval, if a yes came first: the model
/// must not be told that the call was not made.
async fn deny(
    store: &StoreHandle,
    response: &ResponseId,
    id: ApprovalId,
) -> Result<Option<ResponseId>, ApiError> {
    let mark = ApprovalMark { state: ApprovalState::Denied, by: response.clone() };
    match store.mark_approval(id.clone(), mark).await.map_err(|error| failed(&error))? {
        Marked::Written | Marked::Expired => return Ok(None),
        Marked::Used(_) => {}
    }
    let earlier = store.approval(id).await.map_err(|error| failed(&error))?;
    Ok(earlier.filter(|mark| mark.state != ApprovalState::Denied).map(|mark| mark.by))
}

fn failed(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the store does not say whether an approval was used");
    let text = "The store could not be asked whether the approval was used.";
    ApiError::new(ErrorKind::Storage, text).with_code("storage_error")
}

/// Takes an approval for the call that is about to be made.
///
/// # Errors
/// What the model is told; the call must not be made.
pub(crate) async fn take(
    store: &StoreHandle,
    response: &ResponseId,
    id: &str,
) -> Result<ApprovalId, &'static str> {
    let place = ApprovalId::parse(id).ok_or("Error: the approval is not valid, so the call was not made.")?;
    let mark = ApprovalMark { state: ApprovalState::Started, by: response.clone() };
    match store.mark_approval(place.clone(), mark).await {
        Ok(Marked::Written) => Ok(place),
        Ok(Marked::Used(_)) => Err("Error: the approval was used before, so the call was not made again."),
        Ok(Marked::Expired) => {
            Err("Error: the approval was asked for too long ago, so the call was not made.")
        }
        Err(error) => {
            tracing::error!(response_id = %response, %error, "the use of an approval could not be written");
            Err("Error: the use of the approval could not be stored, so the call was not made.")
        }
    }
}

/// The approved call was made.
pub(crate) async fn done(store: &StoreHandle, response: &ResponseId, id: ApprovalId) {
    let mark = ApprovalMark { state: ApprovalState::Done, by: response.clone() };
    let error = match store.mark_approval(id, mark).await {
        Ok(Marked::Written) => return,
        Ok(Marked::Used(by)) => format!("the approval was used by {by}"),
        Ok(Marked::Expired) => "the approval was asked for too long ago".to_owned(),
        Err(error) => error.to_string(),
    };
    // It is used in any case; only a later answer will be told less.
    tracing::warn!(response_id = %response, %error, "the end of an approved call could not be written");
}
