//! What a server keeps: stored and background responses, who may see them, and clients that leave.

use serde_json::{Value, json};

use super::{Case, Ended, Miss, Run, broken, frames, id_of, legal, of_second, require, skip, text_of};
use crate::exchange::Request;
use crate::order;

pub(super) const CASES: &[Case] = &[
    Case { name: "stored/get", rule: "a stored response is given again as it was answered", check: get },
    Case { name: "stored/delete", rule: "a deleted response is gone", check: delete },
    Case {
        name: "background/poll",
        rule: "a background response is answered at once and ends completed",
        check: poll,
    },
    Case {
        name: "background/resume",
        rule: "a background stream goes on behind starting_after, each event as it was",
        check: resume,
    },
    Case {
        name: "background/cancel",
        rule: "a background response can be cancelled, again too; one that is over stays as it is",
        check: cancel,
    },
    Case {
        name: "isolation/read",
        rule: "another client's response cannot be read, gone on from, cancelled or deleted",
        check: isolation,
    },
    Case { name: "disconnect/stream", rule: "a client that leaves a stream harms nobody else", check: leave },
    Case {
        name: "disconnect/background",
        rule: "a background response goes on when its reader leaves",
        check: leave_background,
    },
];

/// A stored response, or a skip where the server cannot give one again.
fn stored(run: &mut Run<'_>) -> Result<(Value, String), Miss> {
    let response = run.response(&json!({"input": "Say hello.", "store": true}))?;
    let path = format!("/v1/responses/{}", id_of(&response)?);
    Ok((response, path))
}

fn get(run: &mut Run<'_>) -> Ended {
    let (response, path) = stored(run)?;
    let answer = run.get(&path)?;
    if matches!(answer.status, 405 | 501) {
        return skip(format!("stored responses cannot be read here: {}", answer.seen()));
    }
    require(answer.status == 200, || answer.seen())?;
    require(answer.json() == response, || format!("{} was answered, and then {}", response, answer.seen()))
}

fn delete(run: &mut Run<'_>) -> Ended {
    let (response, path) = stored(run)?;
    let answer = run.send(&Request::new("DELETE", &path))?;
    if matches!(answer.status, 405 | 501) {
        return skip(format!("stored responses cannot be deleted here: {}", answer.seen()));
    }
    let told = answer.json();
    require(answer.status == 200 && told["deleted"] == true && told["id"] == response["id"], || {
        answer.seen()
    })?;
    let after = run.get(&path)?;
    require(after.status == 404, || after.seen())
}

fn poll(run: &mut Run<'_>) -> Ended {
    let created = run.background(&json!({"input": "Say hello."}), None)?.json();
    let id = id_of(&created)?;
    require(created["background"] == true, || format!("background is {}", created["background"]))?;
    let response = run.until_over(&id)?;
    require(response["status"] == "completed" && !text_of(&response).is_empty(), || response.to_string())
}

fn resume(run: &mut Run<'_>) -> Ended {
    let all = frames(&run.background(&json!({"input": "Count to 5.", "stream": true}), None)?)?;
    legal(order::check_events(&all))?;
    let id = id_of(&all.first().map(|(_, data)| data["response"].clone()).unwrap_or_default())?;
    for after in [0, all.len() / 2, all.len() - 2] {
        let answer = run.get(&format!("/v1/responses/{id}?stream=true&starting_after={after}"))?;
        let rest = frames(&answer)?;
        let whole = all.get(after + 1..) == Some(&rest[..]);
        require(whole, || {
            format!("behind event {after} of {} came other events: {}", all.len(), answer.seen())
        })?;
    }
    Ok(())
}

fn cancel(run: &mut Run<'_>) -> Ended {
    let created = run.background(&json!({"input": "Count from 1 to 500."}), None)?.json();
    let path = format!("/v1/responses/{}/cancel", id_of(&created)?);
    let mut before = None;
    for _ in 0..2 {
        let answer = run.send(&Request::new("POST", &path))?;
        let response = answer.json();
        let status = response["status"].as_str().map(str::to_owned);
        // It may have been faster than the cancellation.
        let over = matches!(status.as_deref(), Some("cancelled" | "completed"));
        require(answer.status == 200 && over, || answer.seen())?;
        require(before.is_none() || before == status, || format!("{before:?} became {status:?}"))?;
        before = status;
    }
    Ok(())
}

fn isolation(run: &mut Run<'_>) -> Ended {
    run.second_key()?;
    let (response, path) = stored(run)?;
    let body = run.body(&json!({"input": "What was said?", "previous_response_id": response["id"]}));
    let tries = [
        Request::new("GET", &path),
        Request::create(&body),
        Request::new("POST", format!("{path}/cancel")),
        Request::new("DELETE", &path),
    ];
    for request in tries {
        let answer = run.send(&of_second(request))?;
        require(matches!(answer.status, 400 | 403 | 404), || answer.seen())?;
    }
    let still = run.get(&path)?;
    require(still.status == 200, || still.seen())
}

fn leave(run: &mut Run<'_>) -> Ended {
    let body = run.body(&json!({"input": "Count from 1 to 500.", "stream": true}));
    for _ in 0..5 {
        let leaving = Request { leave_after: Some("response.created"), ..Request::create(&body) };
        let answer = run.send(&leaving)?;
        require(answer.status == 200, || answer.seen())?;
    }
    run.response(&json!({"input": "Say hello."})).map(drop)
}

fn leave_background(run: &mut Run<'_>) -> Ended {
    let members = json!({"input": "Count to 5.", "stream": true});
    let answer = run.background(&members, Some("\n\n"))?;
    let text = String::from_utf8_lossy(&answer.body);
    let first = text.lines().find_map(|line| line.strip_prefix("data: "));
    let event: Value = first.and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
    if event["type"] != "response.created" {
        return broken(answer.seen());
    }
    let response = run.until_over(&id_of(&event["response"])?)?;
    require(response["status"] == "completed", || response.to_string())
}
