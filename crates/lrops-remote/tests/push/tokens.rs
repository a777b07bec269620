//! Tokens that run out on the way, and rights that do not reach.

use std::sync::Mutex;

use lrops_model::cancel::CancelToken;
use lrops_remote::registry::{BlobOutcome, PushEvent, PushStep, RegistryProblem};
use lrops_testkit::registry::{Access, Chunks, Fault, RegistryOptions, Right};

use crate::scene::{CHUNK_SIZE_BYTES, REPOSITORY, SECRET, Scene, answer, answer_with, chain, with_tokens};

#[test]
fn one_token_serves_a_whole_push() {
    let scene = Scene::new(with_tokens()).with_login(SECRET);
    scene.push().unwrap();
    scene.assert_pushed("with a token");
    let tokens = scene.requests("GET token");
    assert_eq!(tokens.len(), 1);
    let scope = format!("scope=repository:{REPOSITORY}:pull,push");
    assert!(tokens[0].target.contains(&scope), "{}", tokens[0].target);
    assert_eq!(scene.server.bytes_received(), scene.image.blobs_size_bytes());
}

#[test]
fn a_token_that_is_withdrawn_before_any_request_is_renewed() {
    for (method, part) in [
        ("HEAD", "/blobs/"),
        ("POST", "/blobs/uploads"),
        ("PATCH", "/blobs/uploads"),
        ("PUT", "/blobs/uploads"),
    ] {
        let scene = Scene::new(with_tokens())
            .with_login(SECRET)
            .with_retries(0)
            .one_at_a_time();
        scene.server.once_for(method, part, Fault::ForgetTokens);
        scene
            .push()
            .unwrap_or_else(|error| panic!("{method}: {}", chain(&error)));
        scene.assert_pushed(method);
        // A refused chunk was sent in vain, and no more than that.
        let again = scene.server.bytes_received() - scene.image.blobs_size_bytes();
        assert!(again <= CHUNK_SIZE_BYTES, "{method}: {again}");
    }
}

#[test]
fn tokens_that_are_withdrawn_between_chunks_cost_a_chunk_each() {
    let scene = Scene::new(with_tokens()).with_login(SECRET).with_retries(0);
    let (client, cancel) = (scene.client(), CancelToken::new());
    let places = Mutex::new(vec![2_500_000, 1_500_000, 500_000]);
    let withdraw = |event: &PushEvent<'_>| {
        let mut places = places.lock().unwrap();
        let PushStep::Sending { offset } = event.what else {
            return;
        };
        if places.pop_if(|place| offset > *place).is_some() {
            scene.server.expire_tokens();
        }
    };
    let push = client.push(
        &scene.reference(),
        scene.settings,
        &scene.journal,
        &cancel,
        &withdraw,
    );
    push.blob(&scene.image.store, scene.image.layer()).unwrap();
    assert_eq!(scene.requests("GET token").len(), 4);
    scene.assert_layer_cost(scene.image.layer().size + 3 * CHUNK_SIZE_BYTES, "three tokens");
}

#[test]
fn documents_and_tags_renew_their_token_too() {
    for (method, part) in [
        ("HEAD", "/manifests/sha256"),
        ("PUT", "/manifests/sha256"),
        ("GET", "/manifests/sha256"),
        ("PUT", "/manifests/1.0"),
        ("HEAD", "/manifests/latest"),
    ] {
        let scene = Scene::new(with_tokens())
            .with_login(SECRET)
            .small()
            .with_retries(0);
        scene.server.once_for(method, part, Fault::ForgetTokens);
        scene
            .push()
            .unwrap_or_else(|error| panic!("{method} {part}: {}", chain(&error)));
        scene.assert_pushed(part);
    }
}

#[test]
fn a_large_chunk_that_is_refused_for_its_token_is_sent_again() {
    // A server does not read on when it refuses, so the refusal of a large chunk may be lost with its connection.
    let mut scene = Scene::new(with_tokens()).with_login(SECRET);
    scene.settings.chunk_size = 2 * 1024 * 1024;
    scene
        .server
        .once_for("PATCH", "/blobs/uploads", Fault::ForgetTokens);
    scene
        .push_layer()
        .unwrap_or_else(|error| panic!("{}", chain(&error)));
    scene.assert_layer_cost(scene.image.layer().size + 2 * 1024 * 1024, "a large chunk");
}

#[test]
fn tokens_of_a_short_life_are_renewed_before_they_are_refused() {
    let options = RegistryOptions::usual()
        .with_access(Access::Token {
            credentials: Some(SECRET),
            expires_in_seconds: 1,
        })
        .with_tokens_that_expire();
    let scene = Scene::new(options).with_login(SECRET).small();
    scene.with_push(|push| {
        push.blobs(&scene.image.store, &scene.image.blobs()).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1100));
        scene.finish(push).unwrap();
    });
    scene.assert_pushed("short tokens");
    assert!(scene.requests("GET token").len() >= 2);
    let shown = scene.server.requests();
    let refused = shown
        .iter()
        .filter(|request| request.header("authorization").is_none());
    // Only the first request went without; a token of a request before the token was known does not count.
    let without = refused
        .filter(|request| !request.target.contains("/token"))
        .count();
    assert!(without <= scene.settings.parallel, "{without}");
}

#[test]
fn every_request_of_a_push_shows_basic_credentials_once_they_were_asked_for() {
    let scene = Scene::new(RegistryOptions::usual().with_access(Access::Basic(SECRET)))
        .with_login(SECRET)
        .one_at_a_time();
    scene.push().unwrap();
    scene.assert_pushed("basic");
    let requests = scene.server.requests();
    assert!(requests[0].header("authorization").is_none());
    assert!(
        requests[1..]
            .iter()
            .all(|request| request.header("authorization").is_some())
    );
}

#[test]
fn rights_are_checked_without_leaving_anything_behind() {
    for scene in [
        Scene::usual(),
        Scene::new(with_tokens()).with_login(SECRET),
        Scene::new(RegistryOptions::usual().with_access(Access::Basic(SECRET))).with_login(SECRET),
        Scene::new(RegistryOptions::like_distribution()),
    ] {
        scene
            .check_rights()
            .unwrap_or_else(|error| panic!("{}", chain(&error)));
        assert_eq!(scene.server.sessions(), 0);
    }
}

#[test]
fn who_may_only_pull_is_refused_before_anything_is_sent() {
    for access in [
        Access::Basic(SECRET),
        Access::Token {
            credentials: Some(SECRET),
            expires_in_seconds: 300,
        },
    ] {
        let options = RegistryOptions::usual()
            .with_access(access)
            .with_right(REPOSITORY, Right::Pull);
        let scene = Scene::new(options).with_login(SECRET).small();
        let error = scene.check_rights().unwrap_err();
        assert!(error.is_refused(), "{}", chain(&error));
        assert_eq!(error.attempts, 1);
        assert!(
            error.advice().unwrap().contains(REPOSITORY),
            "{:?}",
            error.advice()
        );
        assert!(error.to_string().contains("does not let you push"), "{error}");
        let error = scene.push().unwrap_err();
        assert!(error.is_refused() && !error.can_go_on());
        assert_eq!(scene.server.sessions(), 0);
    }
}

#[test]
fn who_has_no_credentials_is_told_to_log_in() {
    for options in [
        with_tokens(),
        RegistryOptions::usual().with_access(Access::Basic(SECRET)),
    ] {
        let scene = Scene::new(options);
        let error = scene.check_rights().unwrap_err();
        assert!(error.is_refused());
        assert!(error.advice().unwrap().contains("login"), "{:?}", error.advice());
    }
}

#[test]
fn wrong_credentials_are_not_shown_again_and_again() {
    for options in [
        with_tokens(),
        RegistryOptions::usual().with_access(Access::Basic(SECRET)),
    ] {
        let scene = Scene::new(options).with_login("user:hunter2");
        let error = scene.push_layer().unwrap_err();
        assert!(error.is_refused(), "{}", chain(&error));
        assert!(scene.server.requests().len() <= 2, "{:?}", scene.asked());
        assert!(!chain(&error).contains("hunter2"), "{}", chain(&error));
    }
}

#[test]
fn a_registry_that_is_ill_when_rights_are_checked_is_asked_again() {
    let scene = Scene::usual();
    scene.server.once_for("POST", "/blobs/uploads", answer(503));
    scene.server.once_for("POST", "/blobs/uploads", Fault::DropAnswer);
    scene.check_rights().unwrap();
    scene
        .server
        .times(usize::MAX, "POST", "/blobs/uploads", answer(503));
    let error = scene.check_rights().unwrap_err();
    assert!(!error.is_refused());
    assert!(matches!(
        error.problem,
        RegistryProblem::Status { status: 503, .. }
    ));
}

#[test]
fn a_registry_that_cannot_give_an_upload_up_still_lets_one_push() {
    let scene = Scene::usual();
    scene
        .server
        .times(usize::MAX, "DELETE", "/blobs/uploads", answer(405));
    scene.check_rights().unwrap();
    assert!(matches!(scene.push_layer().unwrap(), BlobOutcome::Taken { .. }));
}

#[test]
fn a_registry_that_wants_another_right_to_give_an_upload_up_is_not_asked_again() {
    // As distribution does; its chunks are refused here so that there is an upload to give up.
    let options = with_tokens().with_chunks(Chunks::Refused(405));
    let scene = Scene::new(options).with_login(SECRET).one_at_a_time();
    let challenge = format!(
        "Bearer realm=\"http://{}/token\",scope=\"repository:{REPOSITORY}:delete\",error=\"insufficient_scope\"",
        scene.name
    );
    let refusal = answer_with(401, vec![("WWW-Authenticate", challenge)]);
    scene
        .server
        .times(usize::MAX, "DELETE", "/blobs/uploads", refusal);
    scene.with_push(|push| {
        push.check_rights().unwrap();
        push.blobs(&scene.image.store, &scene.image.blobs()).unwrap();
        scene.finish(push).unwrap();
    });
    scene.assert_pushed("without the right to delete");
    assert_eq!(scene.requests("DELETE upload").len(), 1);
    assert_eq!(scene.requests("GET token").len(), 1);
}
