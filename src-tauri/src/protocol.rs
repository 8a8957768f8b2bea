//! Bytes for pages: `engine://localhost/…` is a question to the engine whose answer is a picture, an init segment or a
//! chunk. Nothing is kept or cached here.

use crate::link::Link;
use engine::{
    Problem,
    command::{Blob, Command, Reply},
};
use percent_encoding::percent_decode_str;
use std::{collections::HashMap, ops::ControlFlow, str::FromStr};
use tauri::{
    AppHandle, Manager, UriSchemeResponder,
    http::{Request, Response, StatusCode, Uri, header},
};

/// Answers when the engine does: a look waits for a picture, so this must hold up nobody.
pub(crate) fn answer(app: &AppHandle, request: &Request<Vec<u8>>, responder: UriSchemeResponder) {
    let command = command(request.uri());
    let app = app.clone();
    tauri::async_runtime::spawn(async move {
        let reply = match command {
            Some(command) => app.state::<Link>().ask(command, |_| ControlFlow::Continue(())).await,
            None => {
                Err(Problem { code: "invalid".to_owned(), message: "there is no such address".to_owned() })
            }
        };
        responder.respond(response(reply));
    });
}

/// What an address asks for, if it makes sense.
fn command(uri: &Uri) -> Option<Command> {
    let steps: Option<Vec<String>> = uri.path().trim_start_matches('/').split('/').map(decoded).collect();
    let steps = steps?;
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let query = query(uri.query().unwrap_or_default())?;
    Some(match steps[..] {
        ["look"] => Command::Look { width: number(&query, "width")?, after: number(&query, "after")? },
        ["glance", device] => Command::Glance { device: device.to_owned(), width: number(&query, "width")? },
        ["still", id] => Command::Still {
            id: id.to_owned(),
            at_ms: number(&query, "at")?,
            width: number(&query, "width")?,
        },
        ["init", session, track, hash] => Command::Init {
            session: session.parse().ok()?,
            track: track.parse().ok()?,
            hash: hash.parse().ok()?,
        },
        ["chunk", session, track, index] => Command::Chunk {
            session: session.parse().ok()?,
            track: track.parse().ok()?,
            index: index.parse().ok()?,
        },
        _ => return None,
    })
}

fn decoded(text: &str) -> Option<String> {
    Some(percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

fn query(text: &str) -> Option<HashMap<&str, &str>> {
    text.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=')).collect()
}

/// Zero where nobody says.
fn number<T: FromStr + Default>(query: &HashMap<&str, &str>, key: &str) -> Option<T> {
    query.get(key).map_or(Some(T::default()), |value| value.parse().ok())
}

fn response(reply: Result<Reply, Problem>) -> Response<Vec<u8>> {
    let (status, media_type, number, body) = match reply {
        Ok(Reply::Blob(Blob { media_type, number, bytes, .. })) => {
            (StatusCode::OK, media_type, number, bytes)
        }
        Ok(_) => (StatusCode::NO_CONTENT, String::new(), 0, Vec::new()),
        Err(problem) => {
            let status = match problem.code.as_str() {
                "not_found" => StatusCode::NOT_FOUND,
                "invalid" => StatusCode::BAD_REQUEST,
                "lost" | "ending" | "not_started" => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (status, "text/plain; charset=utf-8".to_owned(), 0, problem.message.into_bytes())
        }
    };
    let built = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        // Pages have another origin than this. Only pages of the app can ask at all.
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .header(header::ACCESS_CONTROL_EXPOSE_HEADERS, "x-number")
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header("x-number", number)
        .body(body);
    built.unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be said in HTTP");
        let mut response = Response::new(Vec::new());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(address: &str) -> Option<Command> {
        command(&address.parse().unwrap())
    }

    #[test]
    fn addresses_are_questions() {
        assert_eq!(
            read("engine://localhost/look?width=640&after=7"),
            Some(Command::Look { width: 640, after: 7 })
        );
        assert_eq!(
            read("http://engine.localhost/glance/x11%3Aregion%3A1%2C2?width=80"),
            Some(Command::Glance { device: "x11:region:1,2".into(), width: 80 })
        );
        assert_eq!(
            read("engine://localhost/still/last?at=1500&width=320"),
            Some(Command::Still { id: "last".into(), at_ms: 1_500, width: 320 })
        );
        let session = "0192aaaa-bbbb-7ccc-8ddd-eeeeffff0000";
        assert_eq!(
            read(&format!("engine://localhost/chunk/{session}/mix/12")),
            Some(Command::Chunk {
                session: session.parse().unwrap(),
                track: "mix".parse().unwrap(),
                index: 12
            })
        );
        let hash = "00".repeat(32);
        assert!(read(&format!("engine://localhost/init/{session}/program/{hash}")).is_some());
    }

    #[test]
    fn nonsense_is_no_question() {
        for path in [
            "",
            "stop",
            "look?width=-1",
            "look?width",
            "chunk/x/mix/1",
            "chunk/0192aaaa-bbbb-7ccc-8ddd-eeeeffff0000/..%2F/1",
            "init/a/b/c/d",
            "glance/%ff",
        ] {
            assert_eq!(read(&format!("engine://localhost/{path}")), None, "{path}");
        }
    }

    #[test]
    fn answers_say_what_they_are() {
        let blob = Blob { media_type: "image/jpeg".into(), length: 3, number: 9, bytes: vec![1, 2, 3] };
        let said = response(Ok(Reply::Blob(blob)));
        assert_eq!((said.status(), said.headers()["x-number"].to_str().unwrap()), (StatusCode::OK, "9"));
        assert_eq!((said.headers()["content-type"].to_str().unwrap(), said.body().len()), ("image/jpeg", 3));
        assert_eq!(response(Ok(Reply::Done)).status(), StatusCode::NO_CONTENT);
        let problem = |code: &str| Problem { code: code.into(), message: "why".into() };
        assert_eq!(response(Err(problem("not_found"))).status(), StatusCode::NOT_FOUND);
        assert_eq!(response(Err(problem("media"))).body(), b"why");
    }
}
