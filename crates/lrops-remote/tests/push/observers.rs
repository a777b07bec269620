//! Who is told that something is tried again.

use std::error::Error;
use std::sync::{Arc, Mutex};

use lrops_model::blob::BlobSource;
use lrops_model::cancel::CancelToken;
use lrops_remote::registry::{Push, Registry, RegistryError};

use crate::scene::{REPOSITORY, Scene, answer};

/// Does something that fails once, and expects to be told of it once.
#[track_caller]
fn check(
    method: &str,
    part: &str,
    what: impl FnOnce(&Registry, &Scene, &Push<'_>) -> Result<(), Box<dyn Error>>,
) {
    let scene = Scene::usual().small();
    scene.push().unwrap();
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let heard = Arc::clone(&told);
    let registry = scene.client().observed(Arc::new(move |place, retry| {
        let line = format!("{place}: {}, {} of {}", retry.problem, retry.number, retry.limit);
        heard.lock().unwrap().push(line);
    }));
    let cancel = CancelToken::new();
    let push = registry.push(
        &scene.reference(),
        scene.settings,
        &scene.journal,
        &cancel,
        &|_| {},
    );
    scene.server.once_for(method, part, answer(503));
    what(&registry, &scene, &push).unwrap();
    let expected = format!(
        "{}/{REPOSITORY}: the server answered 503 (Service Unavailable), 1 of 3",
        scene.name
    );
    assert_eq!(*told.lock().unwrap(), [expected], "{method} {part}");
}

fn done<T>(result: Result<T, RegistryError>) -> Result<(), Box<dyn Error>> {
    result?;
    Ok(())
}

#[test]
fn whoever_observes_a_registry_is_told_of_retries() {
    let cancel = &CancelToken::new();
    check("POST", "/blobs/uploads", |_, _, push| done(push.check_rights()));
    check("HEAD", "/manifests/1.0", |_, _, push| done(push.tagged("1.0")));
    let tag = |scene: &Scene| scene.reference().with_tag("1.0").unwrap();
    check("GET", "/tags/list", |registry, scene, _| {
        done(registry.tags(&scene.reference(), cancel))
    });
    check("HEAD", "/manifests/1.0", |registry, scene, _| {
        done(registry.digest_of(&tag(scene), cancel))
    });
    check("DELETE", "/manifests/1.0", |registry, scene, _| {
        done(registry.delete(&tag(scene), cancel))
    });
    check("GET", "/manifests/1.0", |registry, scene, _| {
        done(registry.without_mirrors().resolve(&tag(scene), cancel))
    });
    check("HEAD", "/blobs/", |registry, scene, _| {
        let image = registry.image(&scene.reference(), cancel);
        image.contains(scene.image.layer())?;
        Ok(())
    });
    check("GET", "/blobs/", |registry, scene, _| {
        let image = registry.image(&scene.reference(), cancel);
        image.open(scene.image.layer())?;
        Ok(())
    });
}

#[test]
fn what_a_push_tells_as_an_event_is_not_told_twice() {
    let scene = Scene::usual().small();
    let registry = scene
        .client()
        .observed(Arc::new(|place, retry| panic!("{place}: {}", retry.problem)));
    let (cancel, told) = (CancelToken::new(), Mutex::new(0));
    let count = |event: &lrops_remote::registry::PushEvent<'_>| {
        if matches!(event.what, lrops_remote::registry::PushStep::Retrying(_)) {
            *told.lock().unwrap() += 1;
        }
    };
    let push = registry.push(
        &scene.reference(),
        scene.settings,
        &scene.journal,
        &cancel,
        &count,
    );
    for (method, part) in [
        ("POST", "/blobs/uploads"),
        ("PUT", "/manifests/sha256:"),
        ("PUT", "/manifests/1.0"),
    ] {
        scene.server.once_for(method, part, answer(503));
    }
    push.blobs(&scene.image.store, &scene.image.blobs()).unwrap();
    scene.finish(&push).unwrap();
    assert_eq!(*told.lock().unwrap(), 3);
}
