//! What is pushed is not as promised, or the push is stopped.

use std::io::{self, Read};
use std::sync::Mutex;

use lrops_model::blob::{BlobError, BlobSource};
use lrops_model::cancel::CancelToken;
use lrops_model::digest::Digest;
use lrops_model::oci::Descriptor;
use lrops_remote::registry::{BlobOutcome, PushError, PushEvent, PushStep, TagExpectation};

use crate::scene::{CHUNK_SIZE_BYTES, Image, REPOSITORY, Scene, chain};

/// An image on a disk that is ill: one blob of it is not what it was.
struct IllStore<'a> {
    image: &'a Image,
    ill: Digest,
    illness: Illness,
}

#[derive(Clone, Copy, Debug)]
enum Illness {
    OtherByte(usize),
    Short(u64),
    Unreadable,
    Missing,
}

impl BlobSource for IllStore<'_> {
    fn open(&self, descriptor: &Descriptor) -> Result<Box<dyn Read + Send>, BlobError> {
        let reader = self.image.store.open(descriptor)?;
        if descriptor.digest != self.ill {
            return Ok(reader);
        }
        match self.illness {
            Illness::OtherByte(place) => {
                let mut reader = reader;
                let mut bytes = Vec::new();
                reader.read_to_end(&mut bytes).unwrap();
                bytes[place] ^= 1;
                Ok(Box::new(io::Cursor::new(bytes)))
            }
            Illness::Short(length) => Ok(Box::new(reader.take(length))),
            Illness::Unreadable => Ok(Box::new(reader.take(1000).chain(Broken))),
            Illness::Missing => Err(BlobError::Missing {
                digest: descriptor.digest,
                place: "the ill store".to_owned(),
            }),
        }
    }

    fn contains(&self, descriptor: &Descriptor) -> Result<bool, BlobError> {
        self.image.store.contains(descriptor)
    }
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is broken"))
    }
}

fn push_from(scene: &Scene, illness: Illness) -> PushError {
    let store = IllStore {
        image: scene.image,
        ill: scene.image.layer().digest,
        illness,
    };
    let result = scene.with_push(|push| {
        push.blobs(&store, &scene.image.blobs())?;
        scene.finish(push)
    });
    result.unwrap_err()
}

#[track_caller]
fn assert_consistent_and_curable(scene: &Scene) {
    scene.server.assert_complete(REPOSITORY);
    assert!(scene.server.tags(REPOSITORY).is_empty());
    assert_eq!(scene.server.blob(REPOSITORY, &scene.image.layer().digest), None);
    // The same push with the right bytes, by the next process with the same memory of uploads.
    scene.push().unwrap_or_else(|error| panic!("{}", chain(&error)));
    scene.assert_pushed("the cure");
}

#[test]
fn a_damaged_blob_is_blamed_on_who_has_it() {
    for chunk_size in [CHUNK_SIZE_BYTES, 16 * CHUNK_SIZE_BYTES] {
        let mut scene = Scene::usual();
        scene.settings.chunk_size = chunk_size;
        let error = push_from(&scene, Illness::OtherByte(1_000_000));
        assert!(
            matches!(&error, PushError::Damaged { digest } if *digest == scene.image.layer().digest),
            "{}",
            chain(&error)
        );
        assert!(!error.can_go_on());
        assert!(error.advice().unwrap().contains("build the image again"));
        // It was sent once only.
        assert!(scene.server.bytes_received() <= scene.image.blobs_size_bytes());
        assert_consistent_and_curable(&scene);
    }
}

#[test]
fn a_blob_that_cannot_be_read_is_no_fault_of_the_registry() {
    for (illness, words) in [
        (Illness::Short(1_000_000), "ends"),
        (Illness::Unreadable, "the disk is broken"),
        (Illness::Missing, "is not in the ill store"),
    ] {
        let scene = Scene::usual();
        let error = push_from(&scene, illness);
        assert!(
            matches!(error, PushError::Source { .. }),
            "{illness:?}: {}",
            chain(&error)
        );
        assert!(chain(&error).contains(words), "{illness:?}: {}", chain(&error));
        assert_consistent_and_curable(&scene);
    }
}

#[test]
fn bytes_that_are_altered_on_their_way_once_are_sent_again() {
    // The registry cannot know why the digest is wrong.
    let scene = Scene::usual();
    let refusal = lrops_testkit::registry::Fault::Answer {
        status: 400,
        headers: Vec::new(),
        body: br#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match uploaded content"}]}"#
            .to_vec(),
    };
    scene.server.once_for("PUT", "/blobs/uploads", refusal.clone());
    scene.push_layer().unwrap();
    scene.assert_layer_cost(2 * scene.image.layer().size, "altered once");

    let scene = Scene::usual();
    scene.server.times(usize::MAX, "PUT", "/blobs/uploads", refusal);
    let error = scene.push_layer().unwrap_err();
    assert!(matches!(error, PushError::Registry(_)), "{}", chain(&error));
    assert!(scene.server.bytes_received() <= 2 * scene.image.layer().size);
}

#[test]
fn a_stopped_push_ends_at_once_and_goes_on_later() {
    let scene = Scene::usual();
    let (client, cancel) = (scene.client(), CancelToken::new());
    let stop = |event: &PushEvent<'_>| {
        if matches!(event.what, PushStep::Sending { offset } if offset > 800_000) {
            cancel.cancel();
        }
    };
    let push = client.push(&scene.reference(), scene.settings, &scene.journal, &cancel, &stop);
    let result = push.blob(&scene.image.store, scene.image.layer());
    assert!(matches!(result, Err(PushError::Cancelled(_))), "{result:?}");
    assert!(matches!(
        scene.give(&push, "1.0", TagExpectation::Anything),
        Err(PushError::Cancelled(_))
    ));
    let BlobOutcome::Taken { sent } = scene.push_layer().unwrap() else {
        panic!("it was not there");
    };
    assert!(sent <= scene.image.layer().size - 3 * CHUNK_SIZE_BYTES, "{sent}");
    scene.assert_layer_cost(scene.image.layer().size + CHUNK_SIZE_BYTES, "a stopped push");
}

#[test]
fn progress_tells_each_byte_and_every_retry() {
    let scene = Scene::usual();
    scene.server.once_for(
        "PATCH",
        "/blobs/uploads",
        lrops_testkit::registry::Fault::CutRequestAfter(1000),
    );
    let (client, cancel) = (scene.client(), CancelToken::new());
    let told = Mutex::new(Vec::new());
    let tell = |event: &PushEvent<'_>| {
        let words = match &event.what {
            PushStep::Sending { offset } => format!("sending {}", offset.div_ceil(CHUNK_SIZE_BYTES)),
            PushStep::Resumed { offset } => format!("resumed at {offset}"),
            PushStep::Retrying(retry) => format!("retry {} of {}", retry.number, retry.limit),
            PushStep::Taken { .. } => "taken".to_owned(),
            other => format!("{other:?}"),
        };
        told.lock().unwrap().push(words);
    };
    let push = client.push(&scene.reference(), scene.settings, &scene.journal, &cancel, &tell);
    push.blob(&scene.image.store, scene.image.layer()).unwrap();
    push.blob(&scene.image.store, scene.image.layer()).unwrap();
    let mut told = told.into_inner().unwrap();
    told.dedup();
    let last = scene.image.layer().size.div_ceil(CHUNK_SIZE_BYTES);
    assert_eq!(told[..3], ["sending 1", "retry 1 of 3", "resumed at 1000"]);
    assert_eq!(
        told[told.len() - 2..],
        [format!("sending {last}"), "taken".to_owned()]
    );
}
