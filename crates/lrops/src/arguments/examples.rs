//! What the help of each command ends with: command lines to begin with, in one form. A test parses each of them.

/// How the examples of a command begin.
pub(crate) const HEADING: &str = "Examples:";

pub(super) const INIT: &str = "\
Examples:
  lrops init
  lrops init --dry-run path/to/project

Files that are there are kept, so it does no harm to run it again.";

pub(super) const BUILD: &str = "\
Examples:
  lrops build
  lrops build --platform linux/amd64,linux/arm64 --tag app:dev .
  lrops build --tag registry.example/team/app:1.2.3 --push
  lrops build --output type=oci,dest=out/app,tar=false --emulation deny .
  lrops build --check";

pub(super) const CHECK: &str = "\
Examples:
  lrops check
  lrops check --platform linux/amd64,linux/arm64,linux/arm/v7 --fix
  lrops check --diff -f Dockerfile -f Dockerfile.tools | git apply
  lrops check --format json path/to/project";

pub(super) const PLAN: &str = "\
Examples:
  lrops plan
  lrops plan --platform linux/amd64,linux/arm64,linux/arm/v7 .
  lrops plan --format json";

pub(super) const VERIFY: &str = "\
Examples:
  lrops verify app:dev
  lrops verify --platform linux/amd64,linux/arm64 docker://registry.example/team/app:1.2.3
  lrops verify --allow '/usr/lib/firmware/**' out/app";

pub(super) const PUSH: &str = "\
Examples:
  lrops push registry.example/team/app:1.2.3
  lrops push app:dev --tag registry.example/team/app:1.2.3 --tag registry.example/team/app:latest
  lrops push out/app --tag registry.example/team/app --by-digest";

pub(super) const PULL: &str = "\
Examples:
  lrops pull registry.example/team/app:1.2.3
  lrops pull --platform linux/arm64 debian:trixie-slim";

pub(super) const IMAGE_LS: &str = "\
Examples:
  lrops image ls
  lrops image ls --format json";

pub(super) const IMAGE_INSPECT: &str = "\
Examples:
  lrops image inspect app:dev
  lrops image inspect --raw docker://registry.example/team/app:1.2.3";

pub(super) const IMAGE_EXPORT: &str = "\
Examples:
  lrops image export app:dev --output type=oci,dest=app.tar
  lrops image export app:dev --output type=local,dest=out";

pub(super) const IMAGE_TAG: &str = "\
Examples:
  lrops image tag registry.example/team/app:1.2.3 :1.2 :latest
  lrops image tag registry.example/team/app:1.2.3 mirror.example/team/app:1.2.3";

pub(super) const IMAGE_COPY: &str = "\
Examples:
  lrops image copy registry.example/team/app:1.2.3 mirror.example/team/app:1.2.3
  lrops image copy registry.example/team/app:1.2.3 oci-layout://out/app:1.2.3";

pub(super) const IMAGE_CREATE: &str = "\
Examples:
  lrops image create --tag registry.example/team/app:1.2.3 registry.example/team/app:amd64 registry.example/team/app:arm64
  lrops image create --append --tag registry.example/team/app:1.2.3 registry.example/team/app:arm64 --dry-run";

pub(super) const IMAGE_RM: &str = "\
Examples:
  lrops image rm app:dev
  lrops image rm docker://registry.example/team/app:1.2.3-rc.1";

pub(super) const IMAGE_PRUNE: &str = "\
Examples:
  lrops image prune registry.example/team/app --keep 'v*' --keep latest --keep-last 10
  lrops image prune registry.example/team/app --keep-last 10 --yes";

pub(super) const BUILDER_SETUP: &str = "\
Examples:
  lrops builder setup --dry-run
  lrops builder setup --docker-context gitlab --host ssh://gitlab --builder gitlab-multiarch
  lrops builder setup --builder farm --node arm-server=linux/arm64,linux/arm/v7";

pub(super) const BUILDER_LS: &str = "\
Examples:
  lrops builder ls
  lrops builder ls --docker-context gitlab --format json";

pub(super) const BUILDER_INSPECT: &str = "\
Examples:
  lrops builder inspect
  lrops builder inspect --docker-context gitlab gitlab-multiarch";

pub(super) const BUILDER_RM: &str = "\
Examples:
  lrops builder rm gitlab-multiarch --dry-run
  lrops builder rm --docker-context gitlab gitlab-multiarch --keep-state";

pub(super) const CACHE_DU: &str = "\
Examples:
  lrops cache du
  lrops cache du --format json";

pub(super) const CACHE_PRUNE: &str = "\
Examples:
  lrops cache prune
  lrops cache prune --keep-storage 10g
  lrops cache prune --all --filter until=168h";

pub(super) const BASE_BUILD: &str = "\
Examples:
  lrops base build
  lrops base build runtime --platform linux/amd64,linux/arm64 --pull";

pub(super) const BASE_LS: &str = "\
Examples:
  lrops base ls
  lrops base ls --format json";

pub(super) const BASE_LOCK: &str = "\
Examples:
  lrops base lock
  lrops base lock runtime --platform linux/amd64,linux/arm64";

pub(super) const VERSION: &str = "\
Examples:
  lrops version
  lrops version --build-info
  docker build $(lrops version --build-info | sed 's/^/--build-arg /') .

The version is 1.2.3 at the tag v1.2.3, 1.2.3-dev+abc1234 after it, and 0.0.0-dev+abc1234 without any version tag. Tracked \
files that differ from the commit add -modified.";

pub(super) const BUMP: &str = "\
Examples:
  lrops bump minor --dry-run
  lrops bump patch
  lrops bump --ci

Without a kind, a person at a terminal is asked. With --ci the commits since the last release decide, by their \
Conventional Commits: feat is minor, a breaking change is major (below 1.0.0: minor), everything else is patch.";

pub(super) const RELEASE: &str = "\
Examples:
  lrops release --push
  lrops release --tag v1.2.3 --dry-run
  lrops release --tag v1.2.3 --push --yes

Without a tag it asks which version is meant, without --yes whether to begin. What is built is the tag's own tree, in a \
temporary place: the work tree is neither read nor changed. A release that was interrupted goes on when it is started again.";

pub(super) const DOCTOR: &str = "\
Examples:
  lrops doctor
  lrops doctor --push --tag registry.example/team/app:1.2.3
  lrops doctor --all --format json";

pub(super) const LOGIN: &str = "\
Examples:
  lrops login registry.example
  lrops login --username ci --password-stdin registry.example";

pub(super) const LOGOUT: &str = "\
Examples:
  lrops logout registry.example";

pub(super) const COMPLETIONS: &str = "\
Examples:
  lrops completions bash >~/.local/share/bash-completion/completions/lrops
  lrops completions zsh >~/.zfunc/_lrops
  lrops completions fish >~/.config/fish/completions/lrops.fish";

pub(super) const MAN: &str = "\
Examples:
  lrops man | man -l -
  lrops man --directory ~/.local/share/man/man1";
