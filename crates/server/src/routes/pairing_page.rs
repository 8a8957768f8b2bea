//! The page on which somebody lets a device in.
//!
//! Owns: one small document, without scripts and without anything from elsewhere. The admin token is typed each time
//! and kept nowhere, so there is no cookie, and nothing that another site could misuse.

use crate::{
    access::{Earlier, PairingError},
    problem::Refusal,
    state::App,
};
use api::Code;
use axum::{
    Form, Router,
    extract::{
        Query, State,
        rejection::{FormRejection, QueryRejection},
    },
    http::{HeaderName, StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;

/// The page is for people, and no part of the described API.
pub(super) fn routes() -> Router<App> {
    Router::new().route("/pair", get(show).post(decide))
}

#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    code: String,
}

#[derive(Deserialize)]
struct Decision {
    code: String,
    #[serde(default)]
    token: String,
    action: Action,
    /// The device is the one that was let in before: it gets that one's recordings.
    #[serde(default)]
    same: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Approve,
    Deny,
}

async fn show(State(app): State<App>, asked: Result<Query<Asked>, QueryRejection>) -> Response {
    let code = asked.map(|Query(asked)| asked.code).unwrap_or_default();
    if code.is_empty() {
        return page(StatusCode::OK, &code_form(""));
    }
    question(&app, &code, StatusCode::OK, "").await
}

async fn decide(State(app): State<App>, form: Result<Form<Decision>, FormRejection>) -> Response {
    let Ok(Form(decision)) = form else {
        return page(StatusCode::BAD_REQUEST, &code_form("That was not understood. Please try again."));
    };
    // A token that may do everything is fine too: whoever has it could mint others anyway.
    let is_admin = app.access.caller(decision.token.trim()).is_ok_and(|caller| caller.has(api::Scope::Admin));
    if !is_admin {
        return question(&app, &decision.code, StatusCode::FORBIDDEN, "This is not the admin token.").await;
    }
    let done = match decision.action {
        Action::Approve => app.access.approve_pairing(&decision.code, decision.same.is_some()).await,
        Action::Deny => app.access.deny_pairing(&decision.code),
    };
    match (done, decision.action) {
        (Ok(()), Action::Approve) => page(
            StatusCode::OK,
            "<h1>Let in</h1><p>The device may upload its recordings now. You can close this page.</p>",
        ),
        (Ok(()), Action::Deny) => {
            page(StatusCode::OK, "<h1>Not let in</h1><p>The device was told so. You can close this page.</p>")
        }
        (Err(refusal), _) => refused(&refusal),
    }
}

/// Asks whether the device with this code is to be let in.
async fn question(app: &App, code: &str, status: StatusCode, note: &str) -> Response {
    let device = match app.access.pairings(|pairings, now| pairings.device(code, now)) {
        Ok(device) => device,
        Err(PairingError::Unknown) => {
            return page(
                StatusCode::NOT_FOUND,
                &code_form("This code is unknown or too old. Ask the device for a new one."),
            );
        }
        Err(error) => return refused(&error.into()),
    };
    match app.access.earlier(device.clone()).await {
        Ok(earlier) => page(status, &question_form(code, &device, earlier.as_ref(), note)),
        Err(refusal) => refused(&refusal),
    }
}

fn question_form(code: &str, device: &str, earlier: Option<&Earlier>, note: &str) -> String {
    let same = earlier.map(|earlier| {
        // A second device of the name is another one, as long as nobody says that it is not.
        let checked = if earlier.is_valid { "" } else { " checked" };
        let words = "It is the device of this name that was let in before: show it that one's recordings";
        format!("<label class=\"same\"><input type=\"checkbox\" name=\"same\" value=\"yes\"{checked}> {words}</label>")
    });
    format!(
        "<h1>Let this device in?</h1>\
         <p class=\"device\"><bdi>{device}</bdi></p>\
         <p class=\"code\">{code}</p>\
         <p>Only if the device shows this very code. It may then upload recordings, and see and delete its own.</p>\
         {note}\
         <form method=\"post\" action=\"pair\">\
         <input type=\"hidden\" name=\"code\" value=\"{code}\">{same}\
         <input type=\"text\" name=\"username\" value=\"admin\" autocomplete=\"username\" hidden>\
         <label>Admin token <input type=\"password\" name=\"token\" autocomplete=\"current-password\" required autofocus></label>\
         <p class=\"row\"><button name=\"action\" value=\"approve\">Let it in</button>\
         <button class=\"quiet\" name=\"action\" value=\"deny\">Refuse</button></p></form>",
        device = escaped(device),
        code = escaped(&code.to_uppercase()),
        note = noted(note),
        same = same.unwrap_or_default(),
    )
}

fn code_form(note: &str) -> String {
    format!(
        "<h1>Let a device in</h1>{}<form method=\"get\" action=\"pair\">\
         <label>The code that it shows <input name=\"code\" maxlength=\"20\" autocomplete=\"off\" required autofocus></label>\
         <p class=\"row\"><button>Go on</button></p></form>",
        noted(note)
    )
}

fn noted(note: &str) -> String {
    if note.is_empty() {
        String::new()
    } else {
        format!("<p class=\"note\" role=\"alert\">{}</p>", escaped(note))
    }
}

fn refused(refusal: &Refusal) -> Response {
    let status = StatusCode::from_u16(refusal.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let words = match refusal.problem.code {
        Code::IdTaken => "Somebody has decided on this device before.",
        Code::NotFound => "This code is unknown or too old. Ask the device for a new one.",
        _ => "That did not work. Please try again.",
    };
    page(status, &format!("<h1>Not now</h1><p class=\"note\" role=\"alert\">{words}</p>"))
}

/// Letters that mean something in HTML mean nothing afterwards.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:1rem/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1.25rem}\
h1{font-size:1.25rem}.device{font-size:1.25rem;overflow-wrap:anywhere;margin:0}\
.code{font:700 2.5rem/1.3 ui-monospace,monospace;letter-spacing:.08em;margin:.25rem 0 1rem}\
label{display:block;margin:1rem 0}label.same{display:flex;gap:.5rem;align-items:baseline}\
input:not([type=checkbox]){display:block;width:100%;box-sizing:border-box;font:inherit;padding:.5rem;margin-top:.25rem}\
input[hidden]{display:none!important}\
.row{display:flex;gap:.75rem}button{font:inherit;padding:.5rem 1.25rem;border:0;border-radius:.5rem;background:#c8321f;color:#fff}\
button.quiet{background:transparent;color:inherit;border:1px solid currentColor}\
.note{border-left:.25rem solid #c8321f;padding-left:.75rem}";

fn page(status: StatusCode, body: &str) -> Response {
    /// Nothing is loaded, and what is typed goes nowhere but here.
    const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let document = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Spool</title>\
         <style>{STYLE}</style></head><body><main>{body}</main></body></html>"
    );
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, Html(document)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices_are_text_and_nothing_else() {
        let form = question_form("\"><b>", "<script>alert('&')</script>", None, "");
        assert!(!form.contains("<script") && !form.contains("<b>") && !form.contains("<B>"), "{form}");
        assert!(form.contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;"), "{form}");
    }
}
