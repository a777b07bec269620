//! `RUN --mount`.

use std::convert::Infallible;

use expect_test::expect;

use super::super::{Dockerfile, Instruction, InvalidMount, Mount, ResolveMountError};

#[test]
fn mounts_have_a_type_and_keys() {
    let cases = [
        "target=/a",
        "type=bind,source=b,dst=/a,from=c,rw",
        "type=bind,target=/a,readonly=false",
        "type=cache,target=/a",
        "type=cache,id=i,target=/a,sharing=LOCKED,mode=0755,uid=1,gid=2,ro,from=b,src=c",
        "TYPE=Tmpfs,destination=/a,size=64m",
        "type=secret,id=s",
        "type=secret,target=/x/y,required,mode=0400",
        "type=secret,src=s,env=E",
        "type=secret,id=s,env=E,target=/f",
        "type=ssh",
        "type=ssh,id=k,target=/s,required=true,uid=5",
        "\"target=/a,\"\"b\",\"source=c\"",
    ];
    expect![[r#"
        Bind(BindMount { target: "/a", source: "", from: None, read_only: true })
        Bind(BindMount { target: "/a", source: "b", from: Some("c"), read_only: false })
        Bind(BindMount { target: "/a", source: "", from: None, read_only: false })
        Cache(CacheMount { target: "/a", id: None, source: "", from: None, sharing: Shared, read_only: false, owner: FileOwner { user: None, group: None, mode: None } })
        Cache(CacheMount { target: "/a", id: Some("i"), source: "c", from: Some("b"), sharing: Locked, read_only: true, owner: FileOwner { user: Some(1), group: Some(2), mode: Some(493) } })
        Tmpfs(TmpfsMount { target: "/a", size: Some(67108864), read_only: false })
        Secret(SecretMount { id: "s", target: Some("/run/secrets/s"), environment: None, required: false, owner: FileOwner { user: None, group: None, mode: None } })
        Secret(SecretMount { id: "y", target: Some("/x/y"), environment: None, required: true, owner: FileOwner { user: None, group: None, mode: Some(256) } })
        Secret(SecretMount { id: "s", target: None, environment: Some("E"), required: false, owner: FileOwner { user: None, group: None, mode: None } })
        Secret(SecretMount { id: "s", target: Some("/f"), environment: Some("E"), required: false, owner: FileOwner { user: None, group: None, mode: None } })
        Ssh(SshMount { id: "default", target: None, required: false, owner: FileOwner { user: None, group: None, mode: None } })
        Ssh(SshMount { id: "k", target: Some("/s"), required: true, owner: FileOwner { user: Some(5), group: None, mode: None } })
        Bind(BindMount { target: "/a,\"b", source: "c", from: None, read_only: true })"#]].assert_eq(&cases.map(mount).join("\n"));
}

#[test]
fn mounts_with_mistakes_are_named() {
    let cases = [
        "typ=tmpfs",
        "type=tmp",
        "type=tmpfs,target=/a,size=1x",
        "size=1,target=/a",
        "required,type=secret,id=a",
        "type=secret",
        "type=secret,id=a,source=b",
        "type=secret,id=a,from=b",
        "type=secret,id=a,sharing=shared",
        "sharing=shared,target=/a",
        "type=cache,sharing=lock,target=/a",
        "uid=1,target=/a",
        "type=cache,target=/a,mode=9",
        "type=cache,target=/a,uid=+1",
        "ro=x,target=/a",
        "target",
        "type=ssh,source=a",
        "required=x,type=ssh",
        "type=ssh,required=x",
        "a\"b",
        "\"a",
        "\"a\"b",
        "",
    ];
    expect![[r#"
        unexpected key 'typ' in 'typ=tmpfs' (did you mean type?)
        unsupported mount type "tmp" (did you mean tmpfs?)
        invalid value for size: 1x
        unexpected key 'size' for mount type 'bind'
        unexpected key 'required' for mount type 'bind'
        invalid secret mount. one of source, target required
        both source and id can't be set
        secret mount should not have a from
        secret mount should not define sharing
        invalid cache sharing set for bind mount
        unsupported sharing value "lock" (did you mean locked?)
        uid not allowed for "bind" type mounts
        invalid value 9 for mode
        invalid value +1 for uid
        invalid value for ro: x
        invalid field 'target' must be a key=value pair
        ssh does not support source
        unexpected key 'required' for mount type 'bind'
        invalid value for required: x
        failed to parse csv mounts: bare " in non-quoted field
        failed to parse csv mounts: extraneous or missing " in quoted field
        failed to parse csv mounts: extraneous or missing " in quoted field
        failed to parse csv mounts: EOF"#]]
    .assert_eq(&cases.map(mount).join("\n"));
}

/// Reads a `--mount` and resolves it; its values stand for themselves.
fn mount(value: &str) -> String {
    let (dockerfile, findings) = Dockerfile::parse(&format!("FROM scratch\nRUN --mount='{value}' true"));
    let Some(Instruction::Run(run)) = dockerfile.stages[0].instructions.first() else {
        return findings[0].message.clone();
    };
    match run.mounts[0].resolve(|value| Ok::<_, Infallible>(value.to_owned())) {
        Ok(mount) => format!("{mount:?}"),
        Err(ResolveMountError::Invalid(InvalidMount {
            message,
            advice: Some(advice),
        })) => format!("{message} ({advice})"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn mounts_are_expanded_before_they_are_resolved() {
    let (dockerfile, findings) = Dockerfile::parse("FROM a\nRUN --mount=type=$t,target=/$x,from=b true");
    assert_eq!(findings, []);
    let Instruction::Run(run) = &dockerfile.stages[0].instructions[0] else {
        panic!("no RUN")
    };
    assert_eq!(run.mounts[0].from(), Some("b"));
    let expand = |value: &str| Ok::<_, Infallible>(value.replace("$t", "cache").replace("$x", "y"));
    let Ok(Mount::Cache(cache)) = run.mounts[0].resolve(expand) else {
        panic!("no cache")
    };
    assert_eq!(cache.target, "/y");
    let unexpanded = run.mounts[0].resolve(|value| Ok::<_, Infallible>(value.to_owned()));
    let Err(ResolveMountError::Invalid(problem)) = unexpanded else {
        panic!("{unexpanded:?}")
    };
    assert_eq!(problem.message, "unsupported mount type \"$t\"");
}
