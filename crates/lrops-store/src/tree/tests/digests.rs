//! What content digests say.

use super::*;

fn digest(place: &Place, owners: DigestOwners, cache: Option<&StatCache>) -> String {
    let request = DigestRequest {
        root: &place.root,
        path: Path::new("/"),
        filter: &|path, _| match path.to_str() {
            Some("skipped") => Keep::Skip,
            Some(path) if path.ends_with("left-out") => Keep::Prune,
            _ => Keep::Take,
        },
        owners,
        cache,
        cancel: &CancelToken::new(),
    };
    content_digest(&request).unwrap().to_string()
}

#[test]
fn a_content_digest_changes_with_what_a_copy_would_read_and_with_nothing_else() {
    let place = Place::new();
    place
        .file("d/file", "content", 0o644)
        .link("link", "a")
        .file("d/left-out", "", 0o644);
    place.file("skipped/left-out", "", 0o644);
    let mut last = digest(&place, DigestOwners::Ignore, None);
    let mut same = |what: &str, expected: bool| {
        let now = digest(&place, DigestOwners::Ignore, None);
        assert_eq!(now == last, expected, "{what}");
        last = now;
    };
    same("nothing", true);
    place.time("d/file", 5).time("d", 5);
    same("times", true);
    place.owner("d/file", 5, 5);
    same("an owner that does not count", true);
    place
        .file("d/left-out", "other", 0o600)
        .mode("skipped", 0o700)
        .mode("", 0o711);
    same("what is left out, and the root's mode", true);
    place.file("d/file", "Content", 0o644);
    same("content", false);
    place.mode("d/file", 0o755);
    same("a mode", false);
    place.mode("d", 0o700);
    same("a directory's mode", false);
    fs::remove_file(place.path("link")).unwrap();
    place.link("link", "b");
    same("a link's target", false);
    fs::rename(place.path("d/file"), place.path("d/renamed")).unwrap();
    same("a name", false);
    fs::hard_link(place.path("d/renamed"), place.path("d/second")).unwrap();
    same("a further name", false);
    place.file("skipped/taken", "", 0o644);
    same("something taken from a skipped directory", false);
    place.mode("skipped", 0o755);
    same("the mode of a directory that is made after all", false);
    let before = digest(&place, DigestOwners::Count, None);
    place.owner("d", 7, 7);
    assert_ne!(digest(&place, DigestOwners::Count, None), before);
}

#[test]
fn a_stat_cache_answers_for_files_that_look_the_same() {
    let place = Place::new();
    place.file("file", "content", 0o644);
    let now = fs::metadata(place.path("file")).unwrap().ctime();
    let store = tempfile::tempdir().unwrap();
    let saved = store.path().join("stat-cache");
    let wrong = lrops_model::digest::Digest::of("something else");
    let metadata = place
        .root
        .metadata(Path::new("file"), Follow::No)
        .unwrap()
        .unwrap();
    let right = digest(&place, DigestOwners::Ignore, None);

    // A wrong digest shows whether the cache was asked.
    let poisoned = StatCache::new(Timestamp(now + 10));
    poisoned.insert(Path::new("file"), &metadata, wrong);
    poisoned.save(&saved).unwrap();
    let loaded = StatCache::load(&saved, Timestamp(now + 20));
    assert_eq!(loaded.get(Path::new("file"), &metadata), Some(wrong));
    assert_ne!(digest(&place, DigestOwners::Ignore, Some(&loaded)), right);

    place.file("file", "content", 0o644);
    assert_eq!(
        digest(&place, DigestOwners::Ignore, Some(&loaded)),
        right,
        "a rewritten file is read again"
    );

    let racy = StatCache::new(Timestamp(now + 1));
    racy.insert(Path::new("file"), &metadata, wrong);
    racy.save(&saved).unwrap();
    assert_eq!(
        StatCache::load(&saved, Timestamp(now + 20)).get(Path::new("file"), &metadata),
        None
    );

    poisoned.save(&saved).unwrap();
    let mut bytes = fs::read(&saved).unwrap();
    bytes[40] ^= 1;
    fs::write(&saved, bytes).unwrap();
    assert_eq!(
        StatCache::load(&saved, Timestamp(now + 20)).get(Path::new("file"), &metadata),
        None
    );
}
