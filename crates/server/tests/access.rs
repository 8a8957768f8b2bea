//! Who may do what: tokens, and pairing as a device and a person do it.

#![expect(clippy::unwrap_used, reason = "a test ends where it fails")]

mod support;

use api::{
    Access, Code, CreateToken, MintedToken, Pairing, PairingPoll, PairingStart, Refresh, Scope, Tokens,
};
use reqwest::{Method, Response};
use serde_json::json;
use support::{Place, Server, check_no_content, check_problem, read};

async fn mint(server: &Server, scopes: Vec<Scope>, expires_in: Option<u32>) -> MintedToken {
    let wish = CreateToken { label: "a test".to_owned(), scopes, expires_in };
    read(server.admin(Method::POST, "/v1/tokens").json(&wish).send().await.unwrap()).await
}

async fn refresh(server: &Server, secret: &str) -> Response {
    let wish = Refresh { secret: secret.to_owned() };
    server.bare(Method::POST, "/v1/tokens/refresh").json(&wish).send().await.unwrap()
}

async fn list(server: &Server, token: &str) -> Response {
    server.request(Method::GET, "/v1/tokens", token).send().await.unwrap()
}

#[tokio::test]
async fn a_minted_secret_gives_tokens_until_it_is_revoked_also_after_a_restart() {
    let place = Place::new();
    let server = place.serve(&[]);
    let minted = mint(&server, vec![Scope::Admin], None).await;
    let other = mint(&server, vec![Scope::Record], None).await;
    let access: Access = read(refresh(&server, &minted.secret).await).await;
    assert_eq!((access.expires_in, access.scopes, access.secret), (3600, vec![Scope::Admin], None));
    let tokens: Tokens = read(list(&server, &access.token).await).await;
    assert_eq!(tokens.tokens.iter().map(|line| &line.id).collect::<Vec<_>>(), [&minted.id, &other.id]);
    assert!(tokens.tokens[0].used_at.is_some() && tokens.tokens[1].used_at.is_none());
    server.kill();

    let server = place.serve(&[]);
    let tokens: Tokens = read(list(&server, &access.token).await).await;
    assert_eq!(tokens.tokens.len(), 2);
    let path = format!("/v1/tokens/{}", minted.id);
    check_no_content(server.admin(Method::DELETE, &path).send().await.unwrap()).await;
    check_problem(list(&server, &access.token).await, Code::Unauthorized).await;
    check_problem(refresh(&server, &minted.secret).await, Code::Unauthorized).await;
    check_problem(server.admin(Method::DELETE, &path).send().await.unwrap(), Code::NotFound).await;
    server.kill();

    let server = place.serve(&[]);
    check_problem(refresh(&server, &minted.secret).await, Code::Unauthorized).await;
    // Whoever has a secret may end it.
    for _ in 0..2 {
        let wish = Refresh { secret: other.secret.clone() };
        let answer = server.bare(Method::POST, "/v1/tokens/revoke").json(&wish).send().await.unwrap();
        check_no_content(answer).await;
    }
    check_problem(refresh(&server, &other.secret).await, Code::Unauthorized).await;
}

#[tokio::test]
async fn tokens_are_for_what_they_say() {
    let place = Place::new();
    let server = place.serve(&[]);
    check_problem(server.bare(Method::GET, "/v1/tokens").send().await.unwrap(), Code::Unauthorized).await;
    check_problem(list(&server, "nonsense").await, Code::Unauthorized).await;
    check_problem(list(&server, &server.admin[1..]).await, Code::Unauthorized).await;
    let minted = mint(&server, vec![Scope::Record, Scope::Read], None).await;
    check_problem(list(&server, &minted.secret).await, Code::Unauthorized).await;
    let access: Access = read(refresh(&server, &minted.secret).await).await;
    check_problem(list(&server, &access.token).await, Code::Forbidden).await;
    // Nothing of a secret opens anything: not with another end, not with another token's.
    let other = mint(&server, vec![Scope::Admin], None).await;
    let (mine, theirs) = (&minted.secret, &other.secret);
    check_problem(refresh(&server, &mine[..mine.len() - 1]).await, Code::Unauthorized).await;
    check_problem(refresh(&server, &format!("{}{}", &mine[..41], &theirs[41..])).await, Code::Unauthorized)
        .await;
}

#[tokio::test]
async fn tokens_end_when_their_time_is_over() {
    let place = Place::new();
    let server = place.serve(&[]);
    let minted = mint(&server, vec![Scope::Admin], Some(7200)).await;
    let access: Access = read(refresh(&server, &minted.secret).await).await;
    server.stop();
    let server = place.serve(&["--clock-offset", "3601"]);
    check_problem(list(&server, &access.token).await, Code::TokenExpired).await;
    let access: Access = read(refresh(&server, &minted.secret).await).await;
    assert!(access.expires_in <= 3599, "it ends with the secret");
    server.stop();
    let server = place.serve(&["--clock-offset", "7201"]);
    check_problem(refresh(&server, &minted.secret).await, Code::Unauthorized).await;
    let tokens: Tokens = read(list(&server, &server.admin).await).await;
    assert_eq!(tokens.tokens, []);
}

#[tokio::test]
async fn nonsense_is_refused_by_name() {
    let place = Place::new();
    let server = place.serve(&[]);
    let long = "x".repeat(101);
    for wish in [
        json!({"label": "", "scopes": ["read"]}),
        json!({"label": " ", "scopes": ["read"]}),
        json!({"label": "a\u{0}b", "scopes": ["read"]}),
        json!({"label": long, "scopes": ["read"]}),
        json!({"label": "x", "scopes": []}),
        json!({"label": "x", "scopes": ["everything"]}),
        json!({"label": "x", "scopes": ["read"], "expires_in": 0}),
        json!({"label": "x", "scopes": ["read"], "expires_in": -1}),
        json!({"label": "x", "scopes": ["read"], "more": 1}),
        json!([]),
    ] {
        let answer = server.admin(Method::POST, "/v1/tokens").json(&wish).send().await.unwrap();
        check_problem(answer, Code::Invalid).await;
    }
    let answer = server.admin(Method::POST, "/v1/tokens").body("{}").send().await.unwrap();
    check_problem(answer, Code::UnsupportedType).await;
    check_problem(server.admin(Method::DELETE, "/v1/tokens/%00").send().await.unwrap(), Code::NotFound).await;
}

async fn pair(server: &Server, device: &str) -> Pairing {
    let wish = PairingStart { device: device.to_owned() };
    read(server.bare(Method::POST, "/v1/pairings").json(&wish).send().await.unwrap()).await
}

async fn poll(server: &Server, pairing: &Pairing) -> Response {
    let wish = PairingPoll { device_code: pairing.device_code.clone() };
    server.bare(Method::POST, "/v1/pairings/poll").json(&wish).send().await.unwrap()
}

/// What a person does: opens the page, types the token, presses a button. The answer's status and page.
async fn decide(server: &Server, pairing: &Pairing, form: &[(&str, &str)]) -> (u16, String) {
    assert_eq!(pairing.url, format!("{}/pair?code={}", server.url, pairing.user_code));
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.append_pair("code", &pairing.user_code).extend_pairs(form);
    let post = server.bare(Method::POST, "/pair").header("content-type", "application/x-www-form-urlencoded");
    let answer = post.body(body.finish()).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_device_is_let_in_by_somebody_with_the_admin_token_and_nobody_else() {
    let place = Place::new();
    let server = place.serve(&[]);
    let pairing = pair(&server, "Anna's <laptop>").await;
    check_problem(poll(&server, &pairing).await, Code::PairingPending).await;

    let shown = server.client.get(&pairing.url).send().await.unwrap();
    let policy = shown.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    let page = shown.text().await.unwrap();
    assert!(page.contains("Anna&#39;s &lt;laptop&gt;") && page.contains(&pairing.user_code), "{page}");
    assert!(!page.contains("http") && !page.contains("<script"), "nothing from elsewhere: {page}");

    for token in ["", "spool_admin_0", &pairing.device_code] {
        let (status, page) = decide(&server, &pairing, &[("token", token), ("action", "approve")]).await;
        assert_eq!(status, 403);
        assert!(page.contains("not the admin token"), "{page}");
    }
    let recorder = mint(&server, vec![Scope::Record], None).await;
    let recorder: Access = read(refresh(&server, &recorder.secret).await).await;
    assert_eq!(decide(&server, &pairing, &[("token", &recorder.token), ("action", "approve")]).await.0, 403);

    let yes = [("token", server.admin.as_str()), ("action", "approve")];
    assert_eq!(decide(&server, &pairing, &yes).await.0, 200);
    let (status, page) = decide(&server, &pairing, &yes).await;
    assert_eq!(status, 409, "{page}");
    let access: Access = read(poll(&server, &pairing).await).await;
    assert_eq!(access.scopes, [Scope::Record]);
    let again: Access = read(refresh(&server, &access.secret.unwrap()).await).await;
    check_problem(list(&server, &again.token).await, Code::Forbidden).await;
}

#[tokio::test]
async fn a_device_that_is_refused_is_told_so() {
    let place = Place::new();
    let server = place.serve(&[]);
    let pairing = pair(&server, "laptop").await;
    assert_eq!(decide(&server, &pairing, &[("token", &server.admin), ("action", "deny")]).await.0, 200);
    check_problem(poll(&server, &pairing).await, Code::Forbidden).await;
    let (status, _) = decide(&server, &pairing, &[("token", &server.admin), ("action", "approve")]).await;
    assert_eq!(status, 409);
    let (status, page) = decide(&server, &pairing, &[("token", &server.admin), ("action", "nonsense")]).await;
    assert_eq!(status, 400, "{page}");
}

#[tokio::test]
async fn unknown_codes_give_nothing() {
    let place = Place::new();
    let server = place.serve(&[]);
    let wish = PairingPoll { device_code: "0".repeat(64) };
    let answer = server.bare(Method::POST, "/v1/pairings/poll").json(&wish).send().await.unwrap();
    check_problem(answer, Code::NotFound).await;
    for (path, status) in [("/pair?code=AAAA-AAAA", 404), ("/pair?code=%00%ff", 404), ("/pair", 200)] {
        assert_eq!(server.bare(Method::GET, path).send().await.unwrap().status(), status, "{path}");
    }
}
