//! What kind of registry it is.

use std::collections::BTreeMap;

/// Who may do what.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody may do everything.
    Open,
    /// Who sends `Authorization: Basic` with `user:password`.
    Basic(&'static str),
    /// Who shows a token from `/token` with the scope that the request needs.
    Token {
        /// `user:password` for the token service; without, it serves everybody.
        credentials: Option<&'static str>,
        /// How long it says that tokens live.
        expires_in_seconds: u64,
    },
}

/// What may be done in a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Pull, push and delete.
    Everything,
    /// Pull only.
    Pull,
    /// Nothing.
    Nothing,
}

/// What becomes of an upload whose connection was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumption {
    /// It goes on with the bytes that came.
    Resumes,
    /// When bytes came that no answer has told of, the next request to it answers 404 `BLOB_UPLOAD_INVALID`, as
    /// distribution 2.8 does (for ever), and later ones 404 `BLOB_UPLOAD_UNKNOWN`.
    ForgetsOnCut,
}

/// Whether `PATCH` is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chunks {
    /// It is.
    Accepted,
    /// It is, but `Content-Range` is not looked at, as with distribution 2.8: what comes is added.
    RangeIgnored,
    /// It is answered with this status, such as 404, 405 or 416; a blob comes in one `PUT`.
    Refused(u16),
}

/// Whether `POST …?digest=` takes a whole blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SinglePost {
    /// It does.
    Accepted,
    /// It opens an upload session like any `POST`, as distribution does; its body is dropped.
    OpensSession,
}

/// Whether blobs are mounted from other repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mounts {
    /// They are, when they are there.
    Offered,
    /// Asking for one always opens an upload session.
    NotOffered,
}

/// What may be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Blobs, manifests and tags.
    Everything,
    /// Blobs and manifests; deleting a tag alone answers 405.
    NotTags,
    /// Nothing; 405.
    Nothing,
}

/// How a `Location` is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locations {
    /// As a path.
    Relative,
    /// With the host that the request named.
    Absolute,
    /// At another address, such as `http://127.0.0.1:5000`.
    At(String),
}

/// What kind of registry it is.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    pub(super) access: Access,
    pub(super) rights: BTreeMap<String, Right>,
    pub(super) anonymous_right: Option<Right>,
    pub(super) identity_token: Option<String>,
    pub(super) tokens_expire: bool,
    pub(super) resumption: Resumption,
    pub(super) chunks: Chunks,
    pub(super) chunk_bytes_min: Option<u64>,
    pub(super) single_post: SinglePost,
    pub(super) mounts: Mounts,
    pub(super) body_bytes_max: Option<u64>,
    pub(super) deletion: Deletion,
    pub(super) locations: Locations,
    pub(super) tags_page_max: usize,
}

impl RegistryOptions {
    /// Returns a registry that does all that the specification offers, for everybody, without limits.
    pub fn usual() -> Self {
        Self {
            access: Access::Open,
            rights: BTreeMap::new(),
            anonymous_right: None,
            identity_token: None,
            tokens_expire: false,
            resumption: Resumption::Resumes,
            chunks: Chunks::Accepted,
            chunk_bytes_min: None,
            single_post: SinglePost::Accepted,
            mounts: Mounts::Offered,
            body_bytes_max: None,
            deletion: Deletion::Everything,
            locations: Locations::Relative,
            tags_page_max: usize::MAX,
        }
    }

    /// Returns a registry with the habits of distribution 2.8: absolute locations, no single `POST`, no deletion,
    /// ranges of chunks that are not looked at, and uploads that are lost with their connection.
    pub fn like_distribution() -> Self {
        Self::usual()
            .with_locations(Locations::Absolute)
            .with_single_post(SinglePost::OpensSession)
            .with_deletion(Deletion::Nothing)
            .with_chunks(Chunks::RangeIgnored)
            .with_resumption(Resumption::ForgetsOnCut)
    }

    /// Sets who may do what.
    pub fn with_access(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// Sets what those with credentials may do in a repository; [`Right::Everything`] where nothing is set.
    pub fn with_right(mut self, repository: &str, right: Right) -> Self {
        self.rights.insert(repository.to_owned(), right);
        self
    }

    /// Gives tokens with this right to those without credentials, instead of refusing them.
    pub fn with_anonymous_right(self, right: Right) -> Self {
        Self {
            anonymous_right: Some(right),
            ..self
        }
    }

    /// Sets an identity token, which the token service takes as `refresh_token` in the place of a password.
    pub fn with_identity_token(self, token: &str) -> Self {
        Self {
            identity_token: Some(token.to_owned()),
            ..self
        }
    }

    /// Makes tokens invalid once the time is over that the token service promised.
    pub fn with_tokens_that_expire(self) -> Self {
        Self {
            tokens_expire: true,
            ..self
        }
    }

    /// Sets what becomes of an upload whose connection was cut.
    pub fn with_resumption(self, resumption: Resumption) -> Self {
        Self { resumption, ..self }
    }

    /// Sets whether `PATCH` is spoken.
    pub fn with_chunks(self, chunks: Chunks) -> Self {
        Self { chunks, ..self }
    }

    /// Asks for chunks of at least so many bytes, but for the last: `OCI-Chunk-Min-Length`.
    pub fn with_chunk_bytes_min(self, bytes: u64) -> Self {
        Self {
            chunk_bytes_min: Some(bytes),
            ..self
        }
    }

    /// Sets whether `POST …?digest=` takes a whole blob.
    pub fn with_single_post(self, single_post: SinglePost) -> Self {
        Self { single_post, ..self }
    }

    /// Sets whether blobs are mounted.
    pub fn with_mounts(self, mounts: Mounts) -> Self {
        Self { mounts, ..self }
    }

    /// Answers 413 to a request with a longer body, without reading it.
    pub fn with_body_bytes_max(self, bytes: u64) -> Self {
        Self {
            body_bytes_max: Some(bytes),
            ..self
        }
    }

    /// Sets what may be deleted.
    pub fn with_deletion(self, deletion: Deletion) -> Self {
        Self { deletion, ..self }
    }

    /// Sets how a `Location` is written.
    pub fn with_locations(self, locations: Locations) -> Self {
        Self { locations, ..self }
    }

    /// Lists at most so many tags at a time, whatever is asked for.
    pub fn with_tags_page_max(self, tags: usize) -> Self {
        Self {
            tags_page_max: tags,
            ..self
        }
    }
}
