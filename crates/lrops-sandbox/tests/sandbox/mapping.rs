//! Users and owners, in each of the mappings.

use std::os::unix::fs::MetadataExt;

use lrops_sandbox::{Mapping, UserSpec, users};

use crate::Test;
use crate::errors::messages;
use crate::fixture::{World, run_in, words};

pub(crate) const TESTS: &[Test] = &[
    (
        "a_user_of_the_image_is_found_and_taken",
        a_user_of_the_image_is_found_and_taken,
    ),
    (
        "owners_can_be_changed_where_ids_exist",
        owners_can_be_changed_where_ids_exist,
    ),
];

fn is_single(world: &World) -> bool {
    matches!(world.identity.mapping, Mapping::Single { .. })
}

fn a_user_of_the_image_is_found_and_taken(world: &World) {
    let tree = world.tree();
    let user = users::resolve(tree.root(), "ada").unwrap();
    assert_eq!(
        user.ids,
        UserSpec {
            uid: 1000,
            gid: 1001,
            supplementary: vec![1001, 50]
        }
    );
    assert_eq!(user.home.as_deref(), Some("/home/ada"));
    let result = run_in(tree.root(), |spec| {
        spec.arguments = words(&["id"]);
        spec.user = user.ids;
    });
    if is_single(world) {
        let text = messages(&result.unwrap_err());
        assert!(
            text.starts_with(
                "the sandbox failed to become user 1000:1001: this user namespace has no such id"
            ),
            "{text}"
        );
        return;
    }
    assert_eq!(
        result.unwrap().stdout,
        "uid=1000(ada) gid=1001(ada) groups=50(staff),1001(ada)\n"
    );
}

fn owners_can_be_changed_where_ids_exist(world: &World) {
    let tree = world.tree();
    let outcome = run_in(tree.root(), |spec| {
        spec.arguments = words(&["sh", "-c", "chown 1000:1001 /data/one && stat -c %u:%g /data/one"]);
    });
    let outcome = outcome.unwrap();
    if is_single(world) {
        assert!(outcome.stderr.contains("Invalid argument"), "{outcome:?}");
        return;
    }
    assert_eq!(outcome.stdout, "1000:1001\n");
    let found = tree.root().join("data/one").metadata().unwrap();
    assert_eq!(
        (found.uid(), found.gid()),
        (1000, 1001),
        "the program sees the ids of the image"
    );
}
