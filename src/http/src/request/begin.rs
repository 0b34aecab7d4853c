//! From a request to a loop that makes its response, whatever carries the two.

use actix::Addr;
use or_actors::{BackgroundJob, Gone, Job, LoopSupervisor, Reply, StartResponse, Trail};
use or_protocol::{ApiError, CreateResponseBody, ResponseId};
use tokio::sync::oneshot;

use crate::request::{Caller, Taken, routed};
use crate::state::{AppState, Worker};

/// Hands the request to a loop and waits for the beginning of its answer.
pub(crate) async fn begin(
    caller: Caller<'_>,
    taken: Taken,
    state: &AppState,
    worker: &Worker,
) -> Result<Reply, ApiError> {
    let body = taken.parse(&caller.client.name, state).await?;
    start(job(caller, body, taken, state).await?, worker.supervisor.clone()).await
}

/// A request that can be started, and where its answer will come.
pub(crate) type Ready = (Job, oneshot::Receiver<Reply>);

pub(crate) async fn job(
    caller: Caller<'_>,
    body: CreateResponseBody,
    taken: Taken,
    state: &AppState,
) -> Result<Ready, ApiError> {
    let background = if body.background {
        Some(background(&body, &taken, &caller.client.name, state).await?)
    } else {
        None
    };
    let request = routed(caller, body, &taken, state)?;
    let (reply, answer) = oneshot::channel();
    Ok((Job { id: ResponseId::new(), request, reply, background }, answer))
}

pub(crate) async fn start((job, answer): Ready, supervisor: Addr<LoopSupervisor>) -> Result<Reply, ApiError> {
    let start = StartResponse { job: Box::new(job) };
    supervisor.send(start).await.unwrap_or_else(|_| Err(ApiError::internal()))?;
    let died = || Reply::Error { error: ApiError::internal(), kept: None, trail: Trail::default() };
    // A loop that died without a word: the client still gets an answer.
    Ok(answer.await.unwrap_or_else(|_| died()))
}

/// What a background response needs to go on after a restart.
async fn background(
    body: &CreateResponseBody,
    taken: &Taken,
    owner: &str,
    state: &AppState,
) -> Result<BackgroundJob, ApiError> {
    if !body.store {
        let text =
            "Invalid value: 'background' needs 'store' to be true, because its answer is fetched later.";
        return Err(ApiError::invalid("invalid_value", "background", text));
    }
    let strip =
        |bytes: &[u8]| CreateResponseBody::without_secrets(bytes).map(|kept| kept.as_raw().to_owned());
    let Taken { bytes, held } = taken;
    let (bytes, held) = (bytes.clone(), held.clone());
    let work = move |_: &Gone| {
        let _held = held;
        strip(&bytes)
    };
    let stripped = state.node.heavy.sized(taken.bytes.len(), owner, work).await?;
    stripped.map(BackgroundJob::New)
}
