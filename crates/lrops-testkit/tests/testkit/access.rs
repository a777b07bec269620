//! Tokens and their scopes.

use std::net::SocketAddr;
use std::time::Duration;

use lrops_testkit::registry::{Access, Fault, RegistryOptions, RegistryServer, Right};

use crate::client::{Answer, Client};

const ALADDIN: &str = "Basic YTpi";

fn options(expires_in_seconds: u64) -> RegistryOptions {
    RegistryOptions::usual().with_access(Access::Token {
        credentials: Some("a:b"),
        expires_in_seconds,
    })
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    let token = value.get("token").or_else(|| value.get("access_token")).unwrap();
    format!("Bearer {}", token.as_str().unwrap())
}

/// Gets a token for some scopes.
fn with_token(address: SocketAddr, scopes: &[&str]) -> Client {
    let target = format!("/token?service=test&scope={}", scopes.join("&scope="));
    let token = token(&Client::new(address).with_authorization(ALADDIN).get(&target));
    Client::new(address).with_authorization(&token)
}

fn challenge(answer: &Answer) -> &str {
    assert_eq!(answer.status, 401);
    let challenge = answer.header("WWW-Authenticate").unwrap();
    challenge.split_once("service=\"test\"").unwrap().1
}

#[test]
fn a_request_needs_the_scope_of_what_it_does() {
    let server = RegistryServer::start_with(options(300));
    let mut client = Client::new(server.address());
    let check = |client: &mut Client, method: &str, target: &str, expected: &str| {
        assert_eq!(
            challenge(&client.ask(method, target, &[], b"")),
            expected,
            "{method} {target}"
        );
    };
    let uploads = "/v2/app/blobs/uploads/";
    check(&mut client, "GET", "/v2/", "");
    check(
        &mut client,
        "GET",
        "/v2/app/tags/list",
        ",scope=\"repository:app:pull\"",
    );
    check(
        &mut client,
        "POST",
        uploads,
        ",scope=\"repository:app:pull,push\"",
    );
    check(
        &mut client,
        "DELETE",
        "/v2/app/manifests/1",
        ",scope=\"repository:app:delete\"",
    );
    let mount = format!("{uploads}?mount=sha256:0&from=base");
    let both = ",scope=\"repository:app:pull,push repository:base:pull\"";
    check(&mut client, "POST", &mount, both);
    let mut reader = with_token(server.address(), &["repository:app:pull"]);
    let insufficient = ",scope=\"repository:app:pull,push\",error=\"insufficient_scope\"";
    check(&mut reader, "POST", uploads, insufficient);
    assert_eq!(reader.get("/v2/app/tags/list").status, 404);
    let mut writer = with_token(
        server.address(),
        &["repository:app:pull,push", "repository:base:pull"],
    );
    assert_eq!(writer.ask("POST", &mount, &[], b"").status, 202);
    check(
        &mut writer,
        "POST",
        "/v2/base/blobs/uploads/",
        &insufficient.replace("app", "base"),
    );
}

#[test]
fn a_right_limits_what_a_token_is_good_for() {
    let server = RegistryServer::start_with(options(300).with_right("base", Right::Pull));
    let mut client = with_token(server.address(), &["repository:base:pull,push"]);
    assert_eq!(client.get("/v2/base/tags/list").status, 404);
    assert!(
        challenge(&client.ask("POST", "/v2/base/blobs/uploads/", &[], b"")).contains("insufficient_scope")
    );
    let mut nobody = Client::new(server.address());
    assert_eq!(nobody.get("/token?scope=repository:app:pull").status, 401);
    let server = RegistryServer::start_with(options(300).with_anonymous_right(Right::Pull));
    let answer = Client::new(server.address()).get("/token?scope=repository:app:pull,push");
    let mut anonymous = Client::new(server.address()).with_authorization(&token(&answer));
    assert_eq!(anonymous.get("/v2/app/tags/list").status, 404);
    assert_eq!(
        anonymous.ask("POST", "/v2/app/blobs/uploads/", &[], b"").status,
        401
    );
}

#[test]
fn a_form_with_an_identity_token_or_a_password_gets_a_token() {
    let server = RegistryServer::start_with(options(300).with_identity_token("id=1"));
    let mut client = Client::new(server.address());
    let mut post = |form: &str| client.ask("POST", "/token", &[], form.as_bytes());
    let scope = "service=test&scope=repository%3Aapp%3Apull%2Cpush+repository%3Abase%3Apull";
    let answer = post(&format!("grant_type=refresh_token&refresh_token=id%3D1&{scope}"));
    let mut writer = Client::new(server.address()).with_authorization(&token(&answer));
    assert_eq!(writer.ask("POST", "/v2/app/blobs/uploads/", &[], b"").status, 202);
    assert_eq!(writer.get("/v2/base/tags/list").status, 404);
    token(&post(&format!(
        "grant_type=password&username=a&password=b&{scope}"
    )));
    assert_eq!(
        post(&format!("grant_type=password&username=a&password=c&{scope}")).status,
        401
    );
    assert_eq!(
        post(&format!("grant_type=refresh_token&refresh_token=id%3D2&{scope}")).status,
        401
    );
}

#[test]
fn tokens_end_when_told_and_when_their_time_is_over() {
    let server = RegistryServer::start_with(options(300));
    let mut client = with_token(server.address(), &["repository:app:pull,push"]);
    let location = client.open("app");
    server.expire_tokens();
    assert!(challenge(&client.chunk(&location, 0, b"abc")).ends_with("error=\"invalid_token\""));
    let mut client = with_token(server.address(), &["repository:app:pull,push"]);
    let location = client.chunk(&location, 0, b"abc").location();
    server.once_for("PATCH", "uploads", Fault::ForgetTokens);
    assert_eq!(client.get(&location).status, 204);
    assert_eq!(client.chunk(&location, 3, b"d").status, 401);
    let server = RegistryServer::start_with(options(1).with_tokens_that_expire());
    let mut client = with_token(server.address(), &["repository:app:pull"]);
    assert_eq!(client.get("/v2/app/tags/list").status, 404);
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(client.get("/v2/app/tags/list").status, 401);
}

#[test]
fn basic_credentials_come_with_rights_too() {
    let options = RegistryOptions::usual()
        .with_access(Access::Basic("a:b"))
        .with_right("base", Right::Pull);
    let server = RegistryServer::start_with(options);
    assert_eq!(Client::new(server.address()).get("/v2/").status, 401);
    let mut client = Client::new(server.address()).with_authorization(ALADDIN);
    client.push("app", b"x");
    assert_eq!(
        client.ask("POST", "/v2/base/blobs/uploads/", &[], b"").status,
        403
    );
}
